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
    modalities: tuple[str, ...] = MODALITIES  # all others were made absent

    def write(self, run: Path) -> Path:
        """Leaves eval-SPLIT.json in a run folder, or eval-SPLIT-MODALITIES.json where some were made absent."""
        subset = "" if set(self.modalities) >= set(MODALITIES) else "-" + "+".join(self.modalities)
        path = run / f"eval-{self.split}{subset}.json"
        write_text(path, self.to_json(run) + "\n")
        return path

    def to_json(self, run: Path) -> str:
        scores = scores_json(self.scores, self.dataset, self.split, intervals=self.intervals, notes=self.notes)
        about = {"run": run.name, "modalities": list(self.modalities), **scores}
        return json.dumps(about, indent=1, allow_nan=False)


def evaluate(
    trained: TrainedModel,
    home: CacheHome,
    split: str,
    device: torch.device,
    modalities: Sequence[str] = MODALITIES,
) -> Evaluation:
    """Scores a split, with only some modalities if asked: the others are made absent in every clip.

    Thresholds, where a task has them, come from validation; constant baselines from train.

    Raises CacheIncomplete where the cache was made by another encoder than the model was trained on, and RunError
    where the split has no labelled clips.
    """
    info = trained.info
    manifest = Manifest.read(home.manifest(info.dataset))
    reader = EmbeddingReader(home.embeddings(manifest.fingerprint), asked=info.fingerprint)
    if not any(row.label is not None for row in manifest.split(split)):
        raise RunError(f"{info.dataset} has no labelled clips in its {split} split: there is nothing to score")
    require_modalities(trained, modalities)
    where = (trained, manifest, reader, modalities, device)
    predictions = _predict_split(split, *where)
    valid = _predict_split("valid", *where) if info.task.kind == "multi-label" else None
    train_truth = np.array([row.label for row in manifest.split("train") if row.label is not None])
    pair = None if valid is None else (valid.truth, valid.multimodal)
    truth, predicted = predictions.truth, predictions.multimodal
    scores = score(info.dataset, info.task, truth, predicted, train_truth=train_truth, valid=pair)
    intervals = bootstrap(info.dataset, info.task, truth, predicted, valid=pair)
    notes = encoder_notes(info.fingerprint)
    return Evaluation(info.dataset, split, predictions, scores, tuple(intervals), notes, tuple(modalities))


def predict_clip(
    trained: TrainedModel,
    text: str,
    embeddings: Embeddings,
    device: torch.device,
    modalities: Sequence[str] = MODALITIES,
) -> Predictions:
    """One clip that is in no cache, by itself: a model of the conversation setting sees a dialogue's first clip."""
    require_modalities(trained, modalities)
    sample = Sample("", 0, text, embeddings.vision, embeddings.audio, label=None)
    batch = collate([sample], trained.tokenize, trained.info.task.width, trained.info.fingerprint.width)
    return predict(trained.model, [batch], device, modalities)


def require_modalities(trained: TrainedModel, modalities: Sequence[str]) -> None:
    """Raises RunError where the model looks at none of the modalities, or does not know one."""
    known = trained.info.model.modalities
    unknown = [name for name in modalities if name not in MODALITIES]
    if unknown or not any(name in known for name in modalities):
        asked = ", ".join(modalities) or "nothing"
        raise RunError(f"modalities {asked}: expected one or more that the model was trained with, {', '.join(known)}")


def encoder_notes(fingerprint: Fingerprint) -> tuple[str, ...]:
    """What every screen and report says of an encoder that cannot see or hear."""
    if fingerprint.trained:
        return ()
    return (f"{fingerprint.encoder} is untrained (random weights): what it makes of pictures and sound means little",)


def _predict_split(
    split: str,
    trained: TrainedModel,
    manifest: Manifest,
    reader: EmbeddingReader,
    modalities: Sequence[str],
    device: torch.device,
) -> Predictions:
    clips = ClipDataset(manifest, reader, manifest.split(split), trained.info.model.clips_before)
    widths = (trained.info.task.width, trained.info.fingerprint.width)
    return predict(trained.model, loader(clips, _BATCH, trained.tokenize, *widths), device, modalities)
