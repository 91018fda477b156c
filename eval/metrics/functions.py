"""The numbers that the field compares by: one plain function a metric, its rule in its docstring, nothing rounded.

Axes: N clips, C classes. A metric that a set of clips cannot have (0/0) is None, "undefined", and
never 0 or NaN. Whatever counts classes works on a confusion matrix (C, C): rows are the truth,
columns the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Classes = NDArray[np.integer] | NDArray[np.bool_]  # class numbers, or no and yes
ZeroRule = Literal["has-zero", "non-zero"]
ThresholdGoal = Literal["n-Acc", "weighted F1"]


# --- regression: truth and prediction (N,) ---


def mean_absolute_error(truth: Floats, prediction: Floats) -> float:
    """Σ|p − y| / N."""
    return float(np.abs(prediction - truth).mean())


def pearson(truth: Floats, prediction: Floats) -> float | None:
    """Covariance over the product of the standard deviations; undefined where either side is constant."""
    # max − min, not the variance: the variance of a repeated 0.1 comes out as rounding noise, not
    # as 0.
    if np.ptp(truth) == 0 or np.ptp(prediction) == 0:
        return None
    # Scaled by the spread first, so that a very narrow or very wide prediction neither under- nor
    # overflows.
    y, p = ((side - side.mean()) / np.ptp(side) for side in (truth, prediction))
    return float(np.clip((y @ p) / np.sqrt((y @ y) * (p @ p)), -1.0, 1.0))


def rounded_accuracy(truth: Floats, prediction: Floats, limit: int) -> float:
    """Both sides clipped to ±limit and rounded half to even; the share of equals.

    Acc-7: limit 3; Acc-5: limit 2.
    """
    return float(
        (np.round(truth.clip(-limit, limit)) == np.round(prediction.clip(-limit, limit))).mean()
    )


def sign_confusion(truth: Floats, prediction: Floats, zeros: ZeroRule) -> Ints:
    """Confusion (2, 2) of negative and positive, from which Acc-2 and its weighted F1 follow.

    has-zero: p ≥ 0 against y ≥ 0, every clip. non-zero: p > 0 against y > 0, clips with y = 0 left
    out.
    """
    if zeros == "has-zero":
        return confusion_matrix(truth >= 0, prediction >= 0, 2)
    keep = truth != 0
    return confusion_matrix(truth[keep] > 0, prediction[keep] > 0, 2)


def interval_confusion(truth: Floats, prediction: Floats, cuts: Sequence[float]) -> Ints:
    """Confusion over the intervals between rising `cuts`; an interval is open left and closed right.

    Cuts (0,) make zero a negative; cuts (−0.1, 0.1) make 0.1 neutral and −0.1 negative.
    """
    # Compared in float32: a label of 0.1 that went through a float32 is 0.100000001 and must stay
    # on the cut.
    edges = np.asarray(cuts, dtype=np.float32)
    y, p = (
        np.searchsorted(edges, side.astype(np.float32), side="left") for side in (truth, prediction)
    )
    return confusion_matrix(y, p, len(edges) + 1)


# --- classes: from a confusion matrix ---


def confusion_matrix(truth: Classes, prediction: Classes, n: int) -> Ints:
    """truth, prediction (N,) class numbers below n → counts (n, n): rows the truth, columns the prediction."""
    return count_cells(confusion_cells(truth, prediction, n), n)


def confusion_cells(truth: Classes, prediction: Classes, n: int) -> Ints:
    """truth, prediction (N,) → the cell that each clip falls into, row · n + column."""
    return truth.astype(np.int64) * n + prediction


def count_cells(cells: Ints, n: int) -> Ints:
    """cells (N,) → the confusion matrix (n, n)."""
    return np.bincount(cells, minlength=n * n).reshape(n, n).astype(np.int64)


def accuracy(confusion: Ints) -> float | None:
    """The share of clips on the diagonal; undefined without clips."""
    return _ratio(np.trace(confusion), confusion.sum())


def class_f1(confusion: Ints) -> tuple[float | None, ...]:
    """F1 of each class, 2·TP / (2·TP + FP + FN); undefined for a class that is neither there nor predicted."""
    right = np.diag(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1)
    return tuple(_ratio(2 * tp, total) for tp, total in zip(right, either, strict=True))


def one_against_rest_accuracy(confusion: Ints) -> tuple[float | None, ...]:
    """s-Acc: for each class, (TP + TN) / N of the question "this class or another?"."""
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    return tuple(_ratio(confusion.sum() - errors, confusion.sum()) for errors in wrong)


def weighted_f1(confusion: Ints) -> float | None:
    """F1 of each class, averaged by the class's share of the truth; undefined without clips."""
    return _weighted(
        confusion, 2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    )


def weighted_precision(confusion: Ints) -> float | None:
    """TP / predicted of each class, averaged by share of the truth; a class never predicted counts as 0.

    That 0 is the field's convention (scikit-learn's default): leaving such a class out would reward
    ignoring it.
    """
    return _weighted(confusion, np.diag(confusion), confusion.sum(axis=0))


def weighted_recall(confusion: Ints) -> float | None:
    """TP / true of each class, averaged by share of the truth: Σ (n_c/N)(TP_c/n_c) = ΣTP/N, which is the accuracy."""
    return accuracy(confusion)


# --- one emotion present or not: from a confusion matrix (2, 2) ---


def balanced_accuracy(confusion: Ints) -> float | None:
    """n-Acc, (TP·N/P + TN) / 2N with P positives and N negatives; undefined where either is missing."""
    (tn, fp), (fn, tp) = confusion.tolist()
    positives, negatives = tp + fn, tn + fp
    if not positives or not negatives:
        return None
    return float((tp * negatives / positives + tn) / (2 * negatives))


def binary_f1(confusion: Ints) -> float | None:
    """F1 of the positive class; undefined where nothing is positive and nothing was predicted so."""
    return class_f1(confusion)[1]


def choose_threshold(truth: NDArray[np.bool_], logit: Floats, goal: ThresholdGoal) -> float | None:
    """truth, logit (N,) of one emotion, validation clips → the t for which "logit > t" scores best by `goal`.

    Every possible cut is tried, "always" (t = −∞) and "never" (t = ∞) among them; of equals the one
    nearest to 0 (probability 0.5) is taken. None where the goal is undefined: n-Acc without
    positives or without negatives.
    """
    order = np.argsort(-logit, kind="stable")
    falling, hits = logit[order], truth[order]
    size, positives = len(hits), int(hits.sum())
    if not size or (goal == "n-Acc" and positives in (0, size)):
        return None
    count = np.arange(size + 1)  # the cut after the first k clips calls those k positive
    tp = np.concatenate([[0], np.cumsum(hits)])
    middle = falling[1:] + (falling[:-1] - falling[1:]) / 2
    # Between two neighbouring floats the middle may be the upper one, which ">" would then lose.
    cuts = np.concatenate(
        [[np.inf], np.where(middle < falling[:-1], middle, falling[1:]), [-np.inf]]
    )
    cuts[(logit > 0).sum()] = 0.0  # the gap that 0 falls into keeps the natural threshold
    possible = np.concatenate(
        [[True], falling[:-1] > falling[1:], [True]]
    )  # clips of one logit cannot be parted
    reached = np.where(possible, _reached(goal, tp, count - tp, positives, size - positives), -1.0)
    best = np.flatnonzero(reached >= reached.max() - 1e-12)
    return float(cuts[best[np.argmin(np.abs(cuts[best]))]])


def _reached(goal: ThresholdGoal, tp: Ints, fp: Ints, positives: int, negatives: int) -> Floats:
    """What each cut (K,) scores: the same equations as above, over all cuts at once."""
    tn, fn = negatives - fp, positives - tp
    if goal == "n-Acc":
        result: Floats = (tp / positives + tn / negatives) / 2
        return result
    present = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    absent = 2 * tn / np.maximum(2 * tn + fp + fn, 1)
    return np.asarray(
        (positives * present + negatives * absent) / (positives + negatives), dtype=np.float64
    )


def _weighted(confusion: Ints, above: Ints, below: Ints) -> float | None:
    """Σ_c share_c · above_c / below_c, where 0/0 counts as 0."""
    support = confusion.sum(axis=1)
    each = above / np.maximum(below, 1)
    return _ratio(float(support @ each), support.sum())


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below else None
