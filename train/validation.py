"""Which epoch is the best one: the validation score of method.md §5, and nothing from test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as metrics
from semanticmac.eval.predict import Predictions
from semanticmac.run.folder import higher_is_better
from semanticmac.train.data import TrainError


@dataclass(frozen=True)
class Score:
    """A validation score and how two of them compare."""

    name: str
    value: float
    higher_is_better: bool

    def beats(self, other: Score | None) -> bool:
        """Strictly better; of equal epochs the earlier one stays."""
        if other is None:
            return True
        return self.value > other.value if self.higher_is_better else self.value < other.value


def refuse_not_finite(predictions: Predictions, epoch: int) -> None:
    """Raises TrainError where the model came apart in an epoch's last step: argmax would make a class of NaN too."""
    broken = ~np.isfinite(predictions.multimodal).all(axis=1)
    if broken.any():
        clips = [
            clip for clip, is_broken in zip(predictions.clip_ids, broken, strict=True) if is_broken
        ]
        raise TrainError(
            f"after epoch {epoch} what the model says of validation clips is not finite ({', '.join(clips)}). "
            "Lower lr_language and lr_rest."
        )


def validation_score(task: Task, predictions: Predictions, regression_loss: str) -> Score:
    """Least multimodal validation loss for regression, best weighted F1 for classes (mean over classes if multi-label).

    Clips without a label are left out. Multi-label classes are cut at a logit of 0 here: a
    threshold is chosen after the epoch is, on validation too.
    """
    labelled = ~np.isnan(predictions.truth).any(axis=1)
    truth, scores = predictions.truth[labelled], predictions.multimodal[labelled]  # (N, K)
    if task.kind == "regression":
        error = np.abs(scores - truth) if regression_loss == "l1" else (scores - truth) ** 2
        return Score(
            f"validation {regression_loss.upper()} loss",
            float(error.mean()),
            higher_is_better(task),
        )
    if task.kind == "single-label":
        confusions = [metrics.confusion_matrix(truth.argmax(1), scores.argmax(1), task.width)]
    else:
        confusions = [
            metrics.confusion_matrix(t > 0.5, s > 0, 2)
            for t, s in zip(truth.T, scores.T, strict=True)
        ]
    f1 = [
        value if (value := metrics.weighted_f1(confusion)) is not None else 0.0
        for confusion in confusions
    ]
    return Score("validation weighted F1", float(np.mean(f1)), higher_is_better(task))
