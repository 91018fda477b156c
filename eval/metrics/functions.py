"""Metrics of the field: one plain function each, with its rule in its docstring.

Axes: N clips, C classes. A metric that is 0/0 on a set of clips is None (undefined), never 0 or
NaN. Functions that count classes work on a confusion matrix (C, C): rows are the truth, columns the
prediction.
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
    """Σ|p − y| / N, in float64 for inputs of any precision."""
    errors = np.abs(prediction.astype(np.float64) - truth.astype(np.float64))
    return float(errors.mean())


def pearson(truth: Floats, prediction: Floats) -> float | None:
    """Covariance over the product of the standard deviations; undefined for a constant side."""
    y, p = _below_one(truth), _below_one(prediction)
    # max − min instead of the variance: rounding makes the variance of a repeated 0.1 non-zero.
    if np.ptp(y) == 0 or np.ptp(p) == 0:
        return None
    # Scaled by the range first: squares of extreme values would under- or overflow.
    y = (y - y.mean()) / np.ptp(y)
    p = (p - p.mean()) / np.ptp(p)
    return float(np.clip((y @ p) / np.sqrt((y @ y) * (p @ p)), -1.0, 1.0))


def concordance(truth: Floats, prediction: Floats) -> float | None:
    """CCC: 2·cov(p, y) / (var p + var y + (mean p − mean y)²), with sums divided by N (Lin 1989).

    1 only where p = y; a constant prediction has 0. Undefined for a constant truth, whose course no
    prediction can follow.
    """
    y, p = truth.astype(np.float64), prediction.astype(np.float64)
    # One power of two for both sides: it changes no share, and no square over- or underflows.
    _, exponent = np.frexp(max(np.abs(y).max(), np.abs(p).max()))
    y, p = np.ldexp(y, -exponent), np.ldexp(p, -exponent)
    if np.ptp(y) == 0:
        return None
    if np.ptp(p) == 0:
        return 0.0
    apart_y, apart_p = y - y.mean(), p - p.mean()
    covariance = (apart_y * apart_p).mean()
    spread = (apart_y**2).mean() + (apart_p**2).mean() + (p.mean() - y.mean()) ** 2
    return float(np.clip(2 * covariance / spread, -1.0, 1.0))


def _below_one(values: Floats) -> Floats:
    """The values in float64 over a power of two, which is exact, so that no sum overflows."""
    values = values.astype(np.float64)
    _, exponent = np.frexp(np.abs(values).max())
    return np.asarray(np.ldexp(values, -exponent), dtype=np.float64)


def rounded_accuracy(truth: Floats, prediction: Floats, limit: int) -> float:
    """The share of clips that are equal after clipping to ±limit and rounding half to even.

    Acc-7: limit 3; Acc-5: limit 2.
    """
    y = np.round(truth.clip(-limit, limit))
    p = np.round(prediction.clip(-limit, limit))
    return float((y == p).mean())


def sign_confusion(truth: Floats, prediction: Floats, zeros: ZeroRule) -> Ints:
    """Confusion (2, 2) of negative and positive, for Acc-2 and its weighted F1.

    has-zero: p ≥ 0 against y ≥ 0, all clips. non-zero: p > 0 against y > 0, without clips of y = 0.
    """
    if zeros == "has-zero":
        return confusion_matrix(truth >= 0, prediction >= 0, 2)
    keep = truth != 0
    return confusion_matrix(truth[keep] > 0, prediction[keep] > 0, 2)


def interval_confusion(truth: Floats, prediction: Floats, cuts: Sequence[float]) -> Ints:
    """Confusion over the intervals between rising `cuts`; intervals are open left and closed right.

    Cuts (0,): zero is negative. Cuts (−0.1, 0.1): 0.1 is neutral and −0.1 is negative.
    """
    # In float32: a label of 0.1 that was stored as float32 is 0.100000001 and must stay on the cut.
    edges = np.asarray(cuts, dtype=np.float32)
    y = np.searchsorted(edges, truth.astype(np.float32), side="left")
    p = np.searchsorted(edges, prediction.astype(np.float32), side="left")
    return confusion_matrix(y, p, len(edges) + 1)


# --- classes: from a confusion matrix ---


def confusion_matrix(truth: Classes, prediction: Classes, n: int) -> Ints:
    """Counts (n, n), rows truth, columns prediction, of class numbers (N,) below n."""
    return count_cells(confusion_cells(truth, prediction, n), n)


def confusion_cells(truth: Classes, prediction: Classes, n: int) -> Ints:
    """truth, prediction (N,) → the cell of each clip in the matrix, row · n + column."""
    return truth.astype(np.int64) * n + prediction


def count_cells(cells: Ints, n: int) -> Ints:
    """cells (N,) → the confusion matrix (n, n)."""
    return np.bincount(cells, minlength=n * n).reshape(n, n).astype(np.int64)


def accuracy(confusion: Ints) -> float | None:
    """The share of clips on the diagonal; undefined without clips."""
    return _ratio(np.trace(confusion), confusion.sum())


def class_f1(confusion: Ints) -> tuple[float | None, ...]:
    """F1 of each class, 2·TP / (2·TP + FP + FN); undefined for an absent class."""
    right = np.diag(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1)
    return tuple(_ratio(2 * tp, total) for tp, total in zip(right, either, strict=True))


def one_against_rest_accuracy(confusion: Ints) -> tuple[float | None, ...]:
    """s-Acc: for each class, (TP + TN) / N of the question "this class or another?"."""
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    return tuple(_ratio(confusion.sum() - errors, confusion.sum()) for errors in wrong)


def weighted_f1(confusion: Ints) -> float | None:
    """F1 of each class, averaged by the class's share of the truth; undefined without clips."""
    predicted_or_true = confusion.sum(axis=0) + confusion.sum(axis=1)
    return _weighted(confusion, 2 * np.diag(confusion), predicted_or_true)


def weighted_precision(confusion: Ints) -> float | None:
    """TP / predicted of each class, averaged by share of the truth.

    A class that is never predicted counts as 0, as in scikit-learn: leaving it out would reward a
    model for ignoring it.
    """
    return _weighted(confusion, np.diag(confusion), confusion.sum(axis=0))


def weighted_recall(confusion: Ints) -> float | None:
    """TP / true of each class, by share of the truth: Σ (n_c/N)(TP_c/n_c) = ΣTP/N = accuracy."""
    return accuracy(confusion)


# --- one emotion present or not: from a confusion matrix (2, 2) ---


def balanced_accuracy(confusion: Ints) -> float | None:
    """n-Acc, (TP·N/P + TN) / 2N with P positives and N negatives; undefined if P or N is 0."""
    (tn, fp), (fn, tp) = confusion.tolist()
    positives, negatives = tp + fn, tn + fp
    if not positives or not negatives:
        return None
    return float((tp * negatives / positives + tn) / (2 * negatives))


def binary_f1(confusion: Ints) -> float | None:
    """F1 of the positive class; undefined where no clip is positive or predicted as positive."""
    return class_f1(confusion)[1]


def choose_threshold(truth: NDArray[np.bool_], logit: Floats, goal: ThresholdGoal) -> float | None:
    """The threshold t for which "logit > t" scores best by `goal` on the validation clips.

    truth, logit (N,) of one emotion. All cuts are tried, "always" (t = −∞) and "never" (t = ∞)
    included; the one nearest to 0 (probability 0.5) wins among equals. None where the goal is
    undefined: n-Acc without positives or without negatives.
    """
    logit = logit.astype(np.float64)
    order = np.argsort(-logit, kind="stable")
    falling, hits = logit[order], truth[order]
    size, positives = len(hits), int(hits.sum())
    if not size or (goal == "n-Acc" and positives in (0, size)):
        return None
    # Cut k makes the first k clips positive.
    count = np.arange(size + 1)
    tp = np.concatenate([[0], np.cumsum(hits)])
    above, below = falling[:-1], falling[1:]
    middle = below + (above - below) / 2
    # The middle of two neighbouring floats may be the upper one, and ">" would exclude that clip.
    between = np.where(middle < above, middle, below)
    cuts = np.concatenate([[np.inf], between, [-np.inf]])
    cuts[(logit > 0).sum()] = 0.0  # the cut that separates negative from positive logits
    # No cut separates clips of the same logit.
    possible = np.concatenate([[True], above > below, [True]])
    scores = _score_cuts(goal, tp, count - tp, positives, size - positives)
    scores = np.where(possible, scores, -1.0)
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(cuts[best[np.argmin(np.abs(cuts[best]))]])


def _score_cuts(goal: ThresholdGoal, tp: Ints, fp: Ints, positives: int, negatives: int) -> Floats:
    """n-Acc or weighted F1 of each cut (K,), by the equations above."""
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
