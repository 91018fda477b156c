"""evaluate: a run and a cached split in, predictions and scores out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.batch import Sample, collate
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.records import Embeddings
from semanticmac.core import MODALITIES
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics.bootstrap import Interval, bootstrap
from semanticmac.eval.metrics.scores import Pair, Scores, score
from semanticmac.eval.predict import Predictions, predict
from semanticmac.eval.report.formatting import scores_json
from semanticmac.run.folder import RunError
from semanticmac.run.weights import TrainedModel


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
    corpus: str = ""  # which metric rules and the paper's rows go by
    valid: Pair | None = None  # truth and prediction of validation, where thresholds were chosen

    def write(self, run: Path) -> Path:
        """Leaves eval-SPLIT.json in a run folder; eval-SPLIT-without-MODALITY.json where one was made absent."""
        path = run / f"eval-{self.split}{''.join(f'-without-{name}' for name in self.without)}.json"
        write_text(path, self.to_json(run) + "\n")
        return path

    def to_json(self, run: Path) -> str:
        return json.dumps(self.as_dict(run), indent=1, allow_nan=False)

    def as_dict(self, run: Path) -> dict[str, object]:
        scores = scores_json(
            self.scores, self.dataset, self.split, intervals=self.intervals, notes=self.notes
        )
        return {"run": run.name, "without": list(self.without), **scores}


def evaluate(
    trained: TrainedModel,
    layout: CacheLayout,
    split: str,
    device: torch.device,
    without: Sequence[str] = (),
) -> Evaluation:
    """Scores a split; modalities that are named in `without` are made absent in every clip.

    Thresholds, where a task has them, come from validation; constant baselines from train.

    Raises CacheIncomplete where the cache was made by another encoder than the model was trained
    on, and RunError where the split has no labelled clips.
    """
    data = EvalData.open(trained, layout, device)
    without = left_out(trained, without)
    predictions = data.predict(data.rows(split), without)
    valid = valid_pair(data, without)
    task, corpus = trained.info.task, data.manifest.corpus
    truth, predicted = predictions.truth, predictions.multimodal
    scores = score(corpus, task, truth, predicted, train_truth=data.train_truth(), valid=valid)
    intervals = bootstrap(corpus, task, truth, predicted, valid=valid)
    notes = (*encoder_notes(trained.info.fingerprint), *absent_notes(without))
    return Evaluation(
        trained.info.dataset,
        split,
        predictions,
        scores,
        tuple(intervals),
        notes,
        without,
        corpus,
        valid,
    )


def valid_pair(data: EvalData, without: Sequence[str] = ()) -> Pair | None:
    """Truth and prediction of the validation clips, for the tasks whose thresholds are chosen there."""
    if data.trained.info.task.kind != "multi-label":
        return None
    valid = data.predict(data.rows("valid"), without)
    return valid.truth, valid.multimodal


def predict_clip(
    trained: TrainedModel,
    text: str,
    embeddings: Embeddings,
    device: torch.device,
    without: Sequence[str] = (),
) -> Predictions:
    """One clip that is in no cache, by itself: a model of the conversation setting sees a dialogue's first clip."""
    sample = Sample("", 0, text, embeddings.vision, embeddings.audio, label=None)
    batch = collate(
        [sample], trained.tokenize, trained.info.task.width, trained.info.fingerprint.width
    )
    return predict(trained.model, [batch], device, left_out(trained, without))


def left_out(trained: TrainedModel, without: Sequence[str]) -> tuple[str, ...]:
    """The modalities of the model that are named, in their order.

    Raises RunError where nothing would be left.
    """
    used = trained.info.model.modalities
    unknown = [name for name in without if name not in MODALITIES]
    if unknown:
        raise RunError(
            f"there is no modality {unknown[0]!r} to leave out: expected {', '.join(MODALITIES)}"
        )
    absent = tuple(name for name in used if name in without)
    if absent == used:
        raise RunError(
            f"without {', '.join(used)} nothing is left of what this model was trained with"
        )
    return absent


def encoder_notes(fingerprint: Fingerprint) -> tuple[str, ...]:
    """What every screen and report says of an encoder that cannot see or hear, or has never met a real person."""
    if fingerprint.demo_only:
        return (
            f"{fingerprint.encoder} knows drawn faces and synthetic voices only and says nothing about real people",
        )
    if fingerprint.trained:
        return ()
    return (
        f"{fingerprint.encoder} is untrained (random weights): what it makes of pictures and sound means little",
    )


def absent_notes(without: Sequence[str]) -> tuple[str, ...]:
    """What every screen and report says where modalities were made absent."""
    return tuple(f"{name} was made absent in every clip" for name in without)
