"""Predictor: raw video → prediction. Used by `semanticmac.load()` and the command `predict`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from semanticmac.cache.dialogue import ContextClip
from semanticmac.cache.failures import Failure
from semanticmac.cache.records import Embeddings
from semanticmac.cache.streams import Streams
from semanticmac.core import FRAME_MODALITIES, MODALITIES, SUB_TASKS, Task
from semanticmac.eval.evaluate import predict_clip, text_notes
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.trust_fit import Trust, read_trust
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.embed import EmbeddedClip, clips_of, embed_clips, require_same
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.encoders.requests import EncoderRequest, open_encoders
from semanticmac.run.device import pick_device
from semanticmac.run.folder import absent_modalities, require_raw_videos
from semanticmac.run.hub_models import find_model
from semanticmac.run.predictions import Predictions
from semanticmac.run.scores import text_cost
from semanticmac.run.weights import TrainedModel, load_run


class PredictError(Exception):
    """A video cannot be predicted; the message gives the reason."""


@dataclass(frozen=True)
class Predictor:
    """A trained model with the frozen encoders that it was trained on."""

    trained: TrainedModel
    encoders: Sequence[Encoder]
    device: torch.device
    trust: Trust | None = None  # None: `eval` has not scored this run
    run: str = ""  # name of the run folder
    text_cost: str = ""  # scores with and without text, in words; empty: not measured

    def predict(self, video: str | Path, text: str = "", without: Sequence[str] = ()) -> Prediction:
        """Predicts one video file.

        text: the transcript; a .txt file beside the video is not read. without: modalities to
        leave out. Raises PredictError if the video cannot be decoded.
        """
        if Path(video).is_dir():
            raise PredictError(f"{video} is a folder: give one video file")
        [result] = self.predict_clips(clips_of([Path(video)], text), without)
        if isinstance(result, Failure):
            raise PredictError(f"{video}: {result.reason}")
        return result

    def predict_clips(
        self, clips: Sequence[Clip], without: Sequence[str] = (), workers: int = 1
    ) -> Iterator[Prediction | Failure]:
        """Predicts clips in their order. A clip that cannot be decoded or encoded is a Failure.

        Each clip is predicted alone, without its dialogue. workers: decoding processes.
        """
        sampling = self.trained.info.streams.sampling
        for embedded in embed_clips(clips, self.encoders, sampling, workers):
            yield self.predict_embedded(embedded, without)

    def predict_embedded(
        self,
        embedded: EmbeddedClip,
        without: Sequence[str] = (),
        before: Sequence[ContextClip] = (),
    ) -> Prediction | Failure:
        """Predicts a clip that is encoded already. Its notes say what it lacks.

        before: the clips of its dialogue before it, oldest first, for a model of the conversation
        setting.
        """
        clip, embeddings = embedded.clip, embedded.embeddings
        if embeddings is None:
            return Failure(clip.clip_id, str(clip.video), embedded.reason, cached=False)
        info = self.trained.info
        absent = absent_modalities(info, without)
        predicted = predict_clip(self.trained, clip.text, embeddings, self.device, absent, before)
        prediction = _prediction(clip.clip_id, info.task, predicted)
        prediction = self._with_trust(prediction, embeddings, embedded.frame)
        notes = [*embedded.remarks, *subsampled_notes(embeddings, info.model.max_frames)]
        reads_text = "text" in info.model.modalities and "text" not in absent
        if reads_text and not clip.text.strip():
            notes.append(NO_TRANSCRIPT + self.text_cost)
        notes += text_notes(self.trained, [clip.text], absent)
        if self.trained.info.model.reads_dialogues:
            notes.append(ALONE)
        if prediction.unusual:
            notes.append(UNUSUAL.format(" and ".join(prediction.unusual)))
        notes += self._length_notes(embeddings)
        return replace(prediction, notes=tuple(notes))

    def _length_notes(self, embeddings: Embeddings) -> list[str]:
        """A remark on a clip that is far shorter or longer than every train clip."""
        frames = frame_count(embeddings)
        seconds = frames / self.trained.info.streams.sampling.frames_per_s
        if not frames or self.trust is None or self.trust.lengths_s is None:
            return []
        if not self.trust.unusual_length(seconds):
            return []
        shortest, longest = self.trust.lengths_s
        return [UNUSUAL_LENGTH.format(seconds, shortest, longest)]

    def _with_trust(
        self, prediction: Prediction, embeddings: Embeddings, frame: np.ndarray | None
    ) -> Prediction:
        """The prediction with its interval, and with the modalities that are unusual."""
        if self.trust is None:
            return prediction
        intervals: tuple[tuple[float, float] | None, ...] = ()
        # Validation clips are complete, and an interval holds for clips like them.
        read = ("multimodal", *self.trained.info.model.modalities)
        if all(prediction.outputs.get(name, []) is not None for name in read):
            intervals = self.trust.intervals(prediction.task, prediction.score)
        return replace(
            prediction,
            intervals=intervals,
            unusual=self.trust.unusual(embeddings, frame),
            temperature=self.trust.temperature,
        )


UNUSUAL = "{}: unlike the train clips, so the prediction may mean nothing"
ALONE = "the model reads dialogues, and this clip is predicted as a dialogue of one utterance"
UNUSUAL_LENGTH = "it is {:.1f} s long, but the train clips are {:.1f} to {:.1f} s long"
NO_TRANSCRIPT = "there is no transcript: the text is absent"


def frame_count(embeddings: Embeddings) -> int:
    """The frames of a clip, of vision or audio."""
    frames = 0
    for rows in (embeddings.vision, embeddings.audio):
        if rows is not None:
            frames = max(frames, len(rows))
    return frames


def subsampled_notes(embeddings: Embeddings, max_frames: int) -> tuple[str, ...]:
    """A remark on a clip that is longer than what the model reads of it."""
    frames = frame_count(embeddings)
    if frames <= max_frames:
        return ()
    return (
        f"only {max_frames} of its {frames} frames were read, evenly spread over it: "
        "`predict --timeline` reads all of them",
    )


def _print_to_stderr(note: str) -> None:
    print(note, file=sys.stderr)


def load(
    folder: str | Path,
    *,
    encoder: str | Path | None = None,
    encoders: Sequence[Encoder] = (),
    device: str = "auto",
    on_download: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] = _print_to_stderr,
) -> Predictor:
    """Loads a run folder, an exported folder, or an exported model of the hub as "user/repo".

    encoder: the name or the weights of an encoder of both modalities, if it cannot be opened as the
    run folder says. encoders: opened encoders instead, vision before audio.
    on_download: receives bytes done and bytes in total, if the encoder has to be downloaded.
    on_note: receives the licence of such weights.

    Raises RunError if the folder holds no model for raw videos, and EncoderMismatch if the encoders
    are not those that the model was trained on.
    """
    torch_device = pick_device(device)
    name, folder = Path(folder).absolute().name, find_model(folder)
    trained = load_run(folder, torch_device)
    streams = trained.info.streams
    require_raw_videos(folder, trained.info)
    if not encoders:
        asked = encoder_requests(streams, None if encoder is None else str(encoder))
        encoders = open_encoders(asked, device, on_download, on_note)
    require_same(encoders, streams)
    trust = read_trust(folder, trained.info)
    return Predictor(trained, encoders, torch_device, trust, name, text_cost(Path(folder)))


def encoder_requests(
    streams: Streams,
    encoder: str | None = None,
    vision: Sequence[str] = (),
    audio: Sequence[str] = (),
) -> tuple[EncoderRequest, ...]:
    """The encoders to open for a model: those named, else as its streams were made."""
    named: dict[str, Sequence[str]] = {"vision": vision, "audio": audio}
    asked = []
    for modality in FRAME_MODALITIES:
        specs = [stream.spec or stream.encoder for stream in streams.of(modality)]
        if encoder is not None and specs:
            specs = [encoder]
        specs = [*named[modality]] or specs
        asked += [EncoderRequest(modality, spec) for spec in specs]
    return tuple(asked)


def _prediction(clip_id: str, task: Task, predicted: Predictions) -> Prediction:
    """The first clip of a batch; the output of an absent modality is meaningless and dropped."""
    present = dict(zip(MODALITIES, predicted.present[0], strict=True))
    outputs: dict[str, list[float] | None] = {}
    for sub_task, output in zip(SUB_TASKS, predicted.outputs[0], strict=True):
        if sub_task != "multimodal" and np.isnan(output).any():
            continue  # The model has no such head.
        outputs[sub_task] = output.tolist() if present.get(sub_task, True) else None
    return Prediction(clip_id, task, outputs)
