"""How far a prediction may be believed: calibration of classes, and prediction against truth for scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import Pair, labelled

BINS = 10
_GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence, or predictions of like size."""

    low: float
    high: float
    count: int
    said: float | None  # mean confidence, or mean prediction; None: empty
    true: float | None  # share that is right, or mean truth


@dataclass(frozen=True)
class Calibration:
    """Classes: how often the model is right when it says how sure it is.

    A temperature comes from validation alone.
    """

    answers: int  # clips, or clips × classes where a clip may have several
    temperature: float
    error: float  # expected calibration error of the logits as they are
    error_scaled: float  # of logits / temperature
    bins: tuple[Bin, ...]
    bins_scaled: tuple[Bin, ...]


@dataclass(frozen=True)
class Agreement:
    """Regression: prediction against truth.

    truth ≈ intercept + slope · prediction by least squares.
    """

    clips: int
    bias: float  # mean of prediction − truth
    slope: float | None  # None: the predictions are constant; 1 = neither too timid nor too bold
    intercept: float | None
    spread_truth: float  # standard deviations
    spread_said: float
    bins: tuple[Bin, ...]  # a tenth of the clips each, from the least prediction to the greatest


def calibration(task: Task, test: Pair, valid: Pair) -> Calibration:
    """test, valid: truth and logits (N, K) of each split.

    Raises ValueError for regression, which has no classes.
    """
    if task.kind == "regression":
        raise ValueError("a regression task has no classes to be sure of: see `agreement`")
    truth, logits = labelled(task, *test, "this split")
    temperature = fit_temperature(task, *labelled(task, *valid, "valid"))
    plain, scaled = answers(task, truth, logits), answers(task, truth, logits / temperature)
    return Calibration(
        len(plain[0]),
        temperature,
        expected_error(*plain),
        expected_error(*scaled),
        bins_of(*plain),
        bins_of(*scaled),
    )


def answers(task: Task, truth: Floats, logits: Floats) -> tuple[Floats, Floats]:
    """(confidence, right or not as 1 and 0) of every answer (M,).

    One answer a clip, the class it is given; multi-label: one a clip and class, present or not.
    """
    if task.kind == "single-label":
        shares = softmax(logits)
        return shares.max(axis=1), (shares.argmax(axis=1) == truth.argmax(axis=1)).astype(
            np.float64
        )
    present = (1 / (1 + np.exp(-logits))).ravel()
    right = (logits.ravel() > 0) == (truth.ravel() > 0.5)
    return np.maximum(present, 1 - present), right.astype(np.float64)


def bins_of(confidence: Floats, right: Floats, count: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal width over 0 … 1, open left and closed right, as the reliability diagram draws them."""
    edges = np.linspace(0.0, 1.0, count + 1)
    place = np.clip(np.ceil(confidence * count).astype(int) - 1, 0, count - 1)
    found = []
    for b in range(count):
        own = place == b
        said, true = (
            float(side[own].mean()) if own.any() else None for side in (confidence, right)
        )
        found.append(Bin(float(edges[b]), float(edges[b + 1]), int(own.sum()), said, true))
    return tuple(found)


def expected_error(confidence: Floats, right: Floats) -> float:
    """Σ_b n_b / N · |share right in b − mean confidence in b| (Naeini et al. 2015), ten bins."""
    total = 0.0
    for b in bins_of(confidence, right):
        if b.said is not None and b.true is not None:
            total += b.count / len(confidence) * abs(b.true - b.said)
    return total


def fit_temperature(task: Task, truth: Floats, logits: Floats) -> float:
    """The T for which logits / T has the least negative log-likelihood on these clips, which must be validation's.

    The likelihood has one peak in log T: golden-section search between e⁻⁴ and e⁴.
    """

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        if task.kind == "single-label":
            return float(-(truth * log_softmax(scaled)).sum(axis=1).mean())
        return float((np.logaddexp(0.0, scaled) - truth * scaled).mean())

    return float(np.exp(_least(loss, -4.0, 4.0)))


def agreement(task: Task, truth: Floats, prediction: Floats) -> Agreement:
    """truth, prediction (N, 1) of a regression task."""
    y, p = (side[:, 0] for side in labelled(task, truth, prediction, "this split"))
    slope = float(np.cov(p, y, bias=True)[0, 1] / p.var()) if np.ptp(p) > 0 else None
    intercept = None if slope is None else float(y.mean() - slope * p.mean())
    order = np.argsort(p, kind="stable")
    bins = tuple(
        Bin(
            float(p[own].min()),
            float(p[own].max()),
            len(own),
            float(p[own].mean()),
            float(y[own].mean()),
        )
        for own in np.array_split(order, min(BINS, len(p)))
    )
    return Agreement(
        len(p), float((p - y).mean()), slope, intercept, float(y.std()), float(p.std()), bins
    )


def softmax(logits: Floats) -> Floats:
    shares: Floats = np.exp(log_softmax(logits))
    return shares


def log_softmax(logits: Floats) -> Floats:
    centred = logits - logits.max(axis=1, keepdims=True)
    logs: Floats = centred - np.log(np.exp(centred).sum(axis=1, keepdims=True))
    return logs


def _least(function: Callable[[float], float], low: float, high: float, steps: int = 60) -> float:
    for _ in range(steps):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if function(left) <= function(right) else (left, high)
    return float((low + high) / 2)
