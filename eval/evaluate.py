"""evaluate: predictions and scores of a run on one split of its dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.batch import Sample, collate
from semanticmac.cache.dialogue import ContextClip
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.records import Embeddings, FrameWidths
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics.bootstrap import Interval, bootstrap
from semanticmac.eval.metrics.scores import Pair, Scores, score
from semanticmac.eval.predict import predict
from semanticmac.eval.report.score_json import scores_json
from semanticmac.model.build import Network
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.language.unknown import UNKNOWN_SHARE, count_unknown
from semanticmac.run.dialogues import context_notes
from semanticmac.run.folder import absent_modalities
from semanticmac.run.notes import cut_text_notes, stream_notes, unfinished_notes
from semanticmac.run.predictions import Predictions
from semanticmac.run.scores import scores_path
from semanticmac.run.weights import TrainedModel

_TEXTS_AT_ONCE = 256
# Share of clips beyond the limits of the mixture that is reported; in validation up to 0.15 are.
UNLIKE_VALIDATION = 0.3


@dataclass(frozen=True)
class Evaluation:
    """Predictions and scores of a model on one split."""

    dataset: str
    split: str
    predictions: Predictions
    scores: Scores
    intervals: tuple[Interval, ...]
    notes: tuple[str, ...]
    without: tuple[str, ...] = ()  # modalities of the model that were made absent in every clip
    corpus: str = ""  # the corpus that chooses the metrics and the rows of the paper
    valid: Pair | None = None  # truth and prediction of validation, where thresholds were chosen

    def write(self, run: Path) -> Path:
        """Writes eval-SPLIT.json, or eval-SPLIT-without-MODALITY.json, into a run folder."""
        path = scores_path(run, self.split, self.without)
        write_text(path, self.to_json(run) + "\n")
        return path

    def to_json(self, run: Path) -> str:
        """The content of eval-SPLIT.json."""
        return json.dumps(self.as_dict(run), indent=1, allow_nan=False)

    def as_dict(self, run: Path) -> dict[str, object]:
        """The same as a dictionary."""
        scores = scores_json(
            [self.scores], self.dataset, self.split, intervals=self.intervals, notes=self.notes
        )
        return {"run": run.name, "without": list(self.without), **scores}


def evaluate(
    trained: TrainedModel,
    layout: CacheLayout,
    split: str,
    device: torch.device,
    without: Sequence[str] = (),
) -> Evaluation:
    """Scores a split. Modalities in `without` are made absent in every clip.

    Thresholds, where a task has them, are chosen on validation; constant baselines come from train.

    Raises CacheIncomplete where another encoder made the cache than the model was trained on, and
    RunError where the split has no labelled clips.
    """
    data = EvalData.open(trained, layout, device)
    absent = absent_modalities(trained.info, without)
    predictions = data.predict(data.rows(split), absent)
    valid = valid_pair(data, absent)
    scores = score_predictions(data, predictions, valid)
    intervals = bootstrap(
        data.manifest.corpus,
        trained.info.task,
        predictions.truth,
        predictions.multimodal,
        valid=valid,
    )
    return Evaluation(
        trained.info.dataset,
        split,
        predictions,
        scores,
        intervals,
        notes=(
            *stream_notes(trained.info.streams),
            *context_notes(trained.info.model),
            *data.notes,
            *text_notes(trained, [row.text for row in data.rows(split)], absent),
            *unfinished_notes(trained.finished, trained.info.best_epoch),
            *absent_notes(absent),
            *disagreement_notes(trained.model, predictions),
        ),
        without=absent,
        corpus=data.manifest.corpus,
        valid=valid,
    )


def score_predictions(data: EvalData, predictions: Predictions, valid: Pair | None) -> Scores:
    """Scores of predictions by the rules of the dataset; valid: see `valid_pair`."""
    return score(
        data.manifest.corpus,
        data.trained.info.task,
        predictions.truth,
        predictions.multimodal,
        train_truth=data.train_truth(),
        valid=valid,
    )


def valid_pair(data: EvalData, without: Sequence[str] = ()) -> Pair | None:
    """Truth and prediction of validation for tasks that choose thresholds there; else None."""
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
    before: Sequence[ContextClip] = (),
) -> Predictions:
    """The prediction of one clip that is in no cache.

    before: the clips of its dialogue before it, oldest first, for a model of the conversation
    setting. Without any it is the first clip of a dialogue.
    """
    info = trained.info
    context = tuple(before) or None
    sample = Sample("", 0, text, embeddings.vision, embeddings.audio, None, context)
    widths = FrameWidths(info.model.vision_width, info.model.audio_width)
    batch = collate([sample], trained.tokenize, info.task.width, widths)
    return predict(trained.model, [batch], device, absent_modalities(trained.info, without))


def text_notes(
    trained: TrainedModel, texts: Sequence[str], without: Sequence[str] = ()
) -> tuple[str, ...]:
    """Warnings where texts are longer than what the model reads, or made of unknown tokens."""
    if not isinstance(trained.tokenize, Tokenizer) or "text" in without:
        return ()
    cut = unknown = total = 0
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        tokens = trained.tokenize(texts[start : start + _TEXTS_AT_ONCE])
        cut += tokens.cut
        unknown_here, total_here = count_unknown(trained.tokenize, tokens)
        unknown += unknown_here
        total += total_here
    notes = cut_text_notes(cut, len(texts), trained.tokenize.max_tokens)
    if unknown > UNKNOWN_SHARE * total:
        language = trained.info.model.language
        notes += (f"{unknown} of {total} text tokens are unknown to language={language}",)
    return notes


def disagreement_notes(model: Network, predictions: Predictions) -> tuple[str, ...]:
    """A sentence if the heads of many clips disagree more than those of validation did."""
    if model.mixture is None or not model.mixture.fitted or not len(predictions.outputs):
        return ()
    outputs = torch.from_numpy(predictions.outputs).to(model.mixture.limits.device)
    present = torch.from_numpy(predictions.present).to(outputs.device)
    share = model.mixture.share_beyond_limits(outputs, present)
    if share < UNLIKE_VALIDATION:
        return ()
    return (
        f"the heads of {share:.0%} of the clips disagree more than 95 % of validation did, and "
        "their prediction goes back to the text: audio or vision may have learnt a shortcut that "
        "these clips lack, such as a speaker or labels that the encoder has seen",
    )


def absent_notes(without: Sequence[str]) -> tuple[str, ...]:
    """A note for each modality that was made absent; every table and report repeats them."""
    return tuple(f"{name} was made absent in every clip" for name in without)
