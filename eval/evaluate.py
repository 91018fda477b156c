"""evaluate: a run and a cached split in, predictions and scores out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from semanticmac.cache.dataset import ClipDataset, Sample, collate, loader
from semanticmac.cache.embeddings import Embeddings
from semanticmac.cache.files import write_text
from semanticmac.cache.home import CacheHome
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.shards import EmbeddingReader
from semanticmac.eval.metrics_bootstrap import Interval, bootstrap
from semanticmac.eval.predict import Predictions, predict
from semanticmac.eval.report import scores_json
from semanticmac.eval.run import RunError, TrainedModel
from semanticmac.eval.scores import Scores, score
from semanticmac.model.config import MODALITIES

_BATCH = 64  # clips; padding never changes a result, so this is about speed alone


@dataclass(frozen=True)
class Evaluation:
    """What a model scores on one split."""

    dataset: str
    split: str
    predictions: Predictions
    scores: Scores
    intervals: tuple[Interval, ...]
    notes: tuple[str, ...]
    without: tuple[str, ...] = ()  # modalities of the model that were made absent in every clip

    def write(self, run: Path) -> Path:
        """Leaves eval-SPLIT.json in a run folder; eval-SPLIT-without-MODALITY.json where one was made absent."""
        path = run / f"eval-{self.split}{''.join(f'-without-{name}' for name in self.without)}.json"
        write_text(path, self.to_json(run) + "\n")
        return path

    def to_json(self, run: Path) -> str:
        scores = scores_json(self.scores, self.dataset, self.split, intervals=self.intervals, notes=self.notes)
        about = {"run": run.name, "without": list(self.without), **scores}
        return json.dumps(about, indent=1, allow_nan=False)


def evaluate(
    trained: TrainedModel,
    home: CacheHome,
    split: str,
    device: torch.device,
    without: Sequence[str] = (),
) -> Evaluation:
    """Scores a split; modalities that are named in `without` are made absent in every clip.

    Thresholds, where a task has them, come from validation; constant baselines from train.

    Raises CacheIncomplete where the cache was made by another encoder than the model was trained on, and RunError
    where the split has no labelled clips.
    """
    info = trained.info
    manifest = Manifest.read(home.manifest(info.dataset))
    reader = EmbeddingReader(home.embeddings(manifest.fingerprint), asked=info.fingerprint)
    if not any(row.label is not None for row in manifest.split(split)):
        raise RunError(f"{info.dataset} has no labelled clips in its {split} split: there is nothing to score")
    without = left_out(trained, without)
    where = (trained, manifest, reader, without, device)
    predictions = _predict_split(split, *where)
    valid = _predict_split("valid", *where) if info.task.kind == "multi-label" else None
    train_truth = np.array([row.label for row in manifest.split("train") if row.label is not None])
    pair = None if valid is None else (valid.truth, valid.multimodal)
    truth, predicted = predictions.truth, predictions.multimodal
    scores = score(info.dataset, info.task, truth, predicted, train_truth=train_truth, valid=pair)
    intervals = bootstrap(info.dataset, info.task, truth, predicted, valid=pair)
    notes = (*encoder_notes(info.fingerprint), *absent_notes(without))
    return Evaluation(info.dataset, split, predictions, scores, tuple(intervals), notes, without)


def predict_clip(
    trained: TrainedModel,
    text: str,
    embeddings: Embeddings,
    device: torch.device,
    without: Sequence[str] = (),
) -> Predictions:
    """One clip that is in no cache, by itself: a model of the conversation setting sees a dialogue's first clip."""
    sample = Sample("", 0, text, embeddings.vision, embeddings.audio, label=None)
    batch = collate([sample], trained.tokenize, trained.info.task.width, trained.info.fingerprint.width)
    return predict(trained.model, [batch], device, left_out(trained, without))


def left_out(trained: TrainedModel, without: Sequence[str]) -> tuple[str, ...]:
    """The modalities of the model that are named, in their order. Raises RunError where nothing would be left."""
    used = trained.info.model.modalities
    unknown = [name for name in without if name not in MODALITIES]
    if unknown:
        raise RunError(f"there is no modality {unknown[0]!r} to leave out: expected {', '.join(MODALITIES)}")
    absent = tuple(name for name in used if name in without)
    if absent == used:
        raise RunError(f"without {', '.join(used)} nothing is left of what this model was trained with")
    return absent


def encoder_notes(fingerprint: Fingerprint) -> tuple[str, ...]:
    """What every screen and report says of an encoder that cannot see or hear, or has never met a real person."""
    if fingerprint.drawn_only:
        return (f"{fingerprint.encoder} knows drawn faces and synthetic voices only and says nothing about real people",)
    if fingerprint.trained:
        return ()
    return (f"{fingerprint.encoder} is untrained (random weights): what it makes of pictures and sound means little",)


def absent_notes(without: Sequence[str]) -> tuple[str, ...]:
    """What every screen and report says where modalities were made absent."""
    return tuple(f"{name} was made absent in every clip" for name in without)


def _predict_split(
    split: str,
    trained: TrainedModel,
    manifest: Manifest,
    reader: EmbeddingReader,
    without: Sequence[str],
    device: torch.device,
) -> Predictions:
    clips = ClipDataset(manifest, reader, manifest.split(split), trained.info.model.clips_before)
    widths = (trained.info.task.width, trained.info.fingerprint.width)
    return predict(trained.model, loader(clips, _BATCH, trained.tokenize, *widths), device, without)
