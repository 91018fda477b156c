"""From Python: a trained model that predicts videos, by the same steps as the verb `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semanticmac.core import MODALITIES, SUB_TASKS
from semanticmac.eval.evaluate import predict_clip
from semanticmac.eval.report.formatting import spoken
from semanticmac.preprocess.embed import clips_of, embed_clips, require_same
from semanticmac.preprocess.encoders.imagebind.encoder import Encoder, load_encoder
from semanticmac.run.folder import RunError
from semanticmac.run.weights import TrainedModel, load_run, pick_device


class PredictError(Exception):
    """A video that cannot be predicted; the message says why."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one video."""

    said: str  # in words: "+1.20 positive", "joy 71%"
    scores: dict[
        str, list[float] | None
    ]  # sub-task → score, or logits of the classes; None: the modality is absent
    classes: tuple[str, ...]  # empty for a score

    @property
    def score(self) -> list[float]:
        """The multimodal prediction."""
        score = self.scores["multimodal"]
        assert score is not None
        return score


@dataclass(frozen=True)
class Predictor:
    """A model with the frozen encoder that it was trained on."""

    trained: TrainedModel
    encoder: Encoder
    device: torch.device

    def predict(self, video: str | Path, text: str = "", without: Sequence[str] = ()) -> Prediction:
        """One video file, and what is said in it; a transcript beside the file is not read.

        Raises PredictError where it cannot be decoded.
        """
        if Path(video).is_dir():
            raise PredictError(f"{video} is a folder: give one video file")
        clips = clips_of([Path(video)], text)
        [(clip, embeddings, reason)] = embed_clips(
            clips, self.encoder, self.trained.info.fingerprint.sampling, 1
        )
        if embeddings is None:
            raise PredictError(f"{video}: {reason}")
        found = predict_clip(self.trained, clip.text, embeddings, self.device, without)
        there = [True, True, *found.present[0]]
        assert len(there) == 2 + len(MODALITIES)
        scores = {
            name: score.tolist() if real else None
            for name, score, real in zip(SUB_TASKS, found.scores[0], there, strict=True)
        }
        task = self.trained.info.task
        return Prediction(spoken(task, found.multimodal[0]), scores, task.classes)


def load(
    folder: str | Path, *, encoder: str | Path | None = None, device: str = "auto"
) -> Predictor:
    """A run or an exported folder, ready to predict.

    encoder: its weights, where they are not found by the name that the model remembers. Raises
    RunError where the folder holds no model, EncoderMismatch where the encoder is not the one that
    it was trained on.
    """
    where = pick_device(device)
    trained = load_run(Path(folder), where)
    made = trained.info.fingerprint
    if made.imported:
        raise RunError(
            f"{folder} was trained on imported features; what extracted them is not here"
        )
    loaded = load_encoder(str(encoder or made.encoder), device)
    require_same(loaded, made)
    return Predictor(trained, loaded, where)
