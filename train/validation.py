"""The validation score that chooses the best epoch (method.md §5). The test split is not read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import MODALITIES, SUB_TASKS, Task
from semanticmac.eval.metrics import functions as metrics
from semanticmac.run.folder import higher_is_better
from semanticmac.run.predictions import Predictions
from semanticmac.train.data import TrainError


@dataclass(frozen=True)
class Score:
    """A validation score that can be compared with another one."""

    name: str
    value: float
    higher_is_better: bool

    def beats(self, other: Score | None) -> bool:
        """Strictly better: of equal epochs the earlier one stays."""
        if other is None:
            return True
        if self.higher_is_better:
            return self.value > other.value
        return self.value < other.value


def require_finite(predictions: Predictions, epoch: int) -> None:
    """Raises TrainError for a prediction of NaN or infinity: argmax would still return a class."""
    is_finite = np.isfinite(predictions.multimodal).all(axis=1)
    if is_finite.all():
        return
    clips = [predictions.clip_ids[i] for i in np.flatnonzero(~is_finite)]
    raise TrainError(
        f"after epoch {epoch} the predictions of these validation clips are not finite: "
        f"{', '.join(clips)}. Lower lr_language and lr_rest."
    )


def head_scores(task: Task, predictions: Predictions, regression_loss: str) -> dict[str, float]:
    """Sub-task → the score of its head. A head that the model lacks is left out.

    The head of a modality is scored on the clips that have the modality.
    """
    scores = {}
    for number, name in enumerate(SUB_TASKS):
        usable = np.isfinite(predictions.outputs[:, number]).all(axis=1)
        usable &= ~np.isnan(predictions.truth).all(axis=1)
        if name in MODALITIES:
            usable &= predictions.present[:, MODALITIES.index(name)]
        if usable.any():
            truth, outputs = predictions.truth[usable], predictions.outputs[usable, number]
            scores[name] = _score(task, truth, outputs, regression_loss)
    return scores


def validation_score(task: Task, predictions: Predictions, regression_loss: str) -> Score:
    """Multimodal loss for regression, weighted F1 for classes (multi-label: mean over classes).

    The loss of scores is that of training; ccc: 1 − the mean CCC of all scores, over all clips.
    Clips without a label are left out. A multi-label class counts as predicted if its logit is
    above 0; its threshold is chosen after training, on validation too.
    """
    labelled = ~np.isnan(predictions.truth).all(axis=1)
    truth, logits = predictions.truth[labelled], predictions.multimodal[labelled]  # (N, K)
    name = "validation weighted F1"
    if task.kind == "regression":
        name = f"validation {regression_loss.upper()} loss"
    return Score(name, _score(task, truth, logits, regression_loss), higher_is_better(task))


def score_loss(
    task: Task, truth: np.ndarray, prediction: np.ndarray, regression_loss: str
) -> float:
    """The loss of scores (N, K) as in training (`losses.clip_losses`), over all clips at once."""
    if regression_loss == "ccc":
        values = []
        for y, p in zip(truth.T, prediction.T, strict=True):
            known = ~np.isnan(y)
            value = metrics.concordance(y[known], p[known]) if known.any() else None
            if value is not None:
                values.append(value)
        return 1.0 - float(np.mean(values)) if values else 1.0
    error = np.abs(prediction - truth)
    if regression_loss == "mse":
        error = error**2
    return float(np.nanmean(error * task.loss_weights, axis=1).mean())


def _score(task: Task, truth: np.ndarray, logits: np.ndarray, regression_loss: str) -> float:
    """truth and logits (N, K), all clips labelled; single scores may be NaN."""
    if task.kind == "regression":
        return score_loss(task, truth, logits, regression_loss)

    if task.kind == "single-label":
        confusions = [metrics.confusion_matrix(truth.argmax(1), logits.argmax(1), task.width)]
    else:
        confusions = []
        for k in range(task.width):
            confusions.append(metrics.confusion_matrix(truth[:, k] > 0.5, logits[:, k] > 0, 2))
    return float(np.mean([metrics.weighted_f1(confusion) or 0.0 for confusion in confusions]))
