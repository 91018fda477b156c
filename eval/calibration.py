"""Calibration: confidence of classes against how often they are right; scores against the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from semanticmac.core import Task
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import Pair, labelled

BINS = 10
LOG_TEMPERATURES = (-4.0, 4.0)  # the range that is searched


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence, or predictions of similar size."""

    low: float
    high: float
    count: int
    said: float | None  # mean confidence, or mean prediction; None: empty bin
    true: float | None  # share that is right, or mean truth; None: empty bin


@dataclass(frozen=True)
class Calibration:
    """Classes: how often an answer is right, by its confidence.

    The temperature is fitted on validation alone.
    """

    answers: int  # clips; multi-label: clips × classes
    temperature: float
    error: float  # expected calibration error of the logits
    error_scaled: float  # the same of logits / temperature
    bins: tuple[Bin, ...]
    bins_scaled: tuple[Bin, ...]


@dataclass(frozen=True)
class Agreement:
    """Regression: the predictions of one score against its truth.

    truth ≈ intercept + slope · prediction by least squares.
    """

    name: str  # of the score
    clips: int
    bias: float  # mean of prediction − truth
    slope: float | None  # below 1: predictions are too large; None: they are constant
    intercept: float | None
    spread_truth: float  # standard deviations
    spread_said: float
    bins: tuple[Bin, ...]  # a tenth of the clips each, from the least prediction to the greatest


def calibration(task: Task, test: Pair, valid: Pair) -> Calibration:
    """test, valid: truth and logits (N, K) of each split; raises ValueError for regression."""
    if task.kind == "regression":
        raise ValueError("a regression task has no classes to be sure of: see `agreements`")
    truth, logits = labelled(task, *test, "this split")
    temperature = fit_temperature(task, *labelled(task, *valid, "valid"))
    confidence, right = answers(task, truth, logits)
    confidence_scaled, right_scaled = answers(task, truth, logits / temperature)
    return Calibration(
        len(confidence),
        temperature,
        expected_error(confidence, right),
        expected_error(confidence_scaled, right_scaled),
        bins_of(confidence, right),
        bins_of(confidence_scaled, right_scaled),
    )


def answers(task: Task, truth: Floats, logits: Floats) -> tuple[Floats, Floats]:
    """(confidence, right as 1 or 0) of every answer (M,).

    One answer for each clip, its predicted class; multi-label: one for each clip and class, present
    or absent.
    """
    if task.kind == "single-label":
        shares = softmax(logits, axis=1)
        right = shares.argmax(axis=1) == truth.argmax(axis=1)
        return shares.max(axis=1), right.astype(np.float64)
    present = expit(logits).ravel()
    right = (logits.ravel() > 0) == (truth.ravel() > 0.5)
    return np.maximum(present, 1 - present), right.astype(np.float64)


def bins_of(confidence: Floats, right: Floats) -> tuple[Bin, ...]:
    """Bins of equal width over 0 … 1 for a reliability diagram; open left and closed right."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for place in range(BINS):
        inside = places == place
        mean_confidence = share_right = None
        if inside.any():
            mean_confidence = float(confidence[inside].mean())
            share_right = float(right[inside].mean())
        low, high = float(edges[place]), float(edges[place + 1])
        bins.append(Bin(low, high, int(inside.sum()), mean_confidence, share_right))
    return tuple(bins)


def expected_error(confidence: Floats, right: Floats) -> float:
    """Σ_b n_b / N · |share right in b − mean confidence in b|, ten bins (Naeini et al. 2015)."""
    total = 0.0
    for bin_ in bins_of(confidence, right):
        if bin_.said is not None and bin_.true is not None:
            total += bin_.count / len(confidence) * abs(bin_.true - bin_.said)
    return total


def fit_temperature(task: Task, truth: Floats, logits: Floats) -> float:
    """The T for which logits / T have the least negative log-likelihood; clips of validation only.

    The likelihood has one maximum in log T, which is searched between −4 and 4.
    """

    def loss(log_temperature: float) -> float:
        return float(log_losses(task, truth, logits / np.exp(log_temperature)).mean())

    fitted = minimize_scalar(
        loss, bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-9}
    )
    return float(np.exp(fitted.x))


def log_losses(task: Task, truth: Floats, logits: Floats) -> Floats:
    """Negative log-likelihood: (N,) for classes that exclude each other, else (N, K)."""
    if task.kind != "single-label":
        return binary_log_losses(truth, logits)
    losses: Floats = -(truth * log_softmax(logits, axis=1)).sum(axis=1)
    return losses


def binary_log_losses(truth: Floats, logits: Floats) -> Floats:
    """Negative log-likelihood of each class against the rest, (N, K)."""
    losses: Floats = np.logaddexp(0.0, logits) - truth * logits
    return losses


def agreements(task: Task, truth: Floats, prediction: Floats) -> tuple[Agreement, ...]:
    """truth, prediction (N, K) of a regression task → one for each score that a clip has."""
    truth, prediction = labelled(task, truth, prediction, "this split")
    parts: list[Agreement] = []
    for name, y, p in zip(task.names, truth.T, prediction.T, strict=True):
        known = ~np.isnan(y)
        if known.any():
            parts.append(_agreement(name, y[known], p[known]))
    return tuple(parts)


def _agreement(name: str, y: Floats, p: Floats) -> Agreement:
    """y, p (N,): truth and prediction of one score."""
    slope = intercept = None
    if np.ptp(p) > 0:
        slope = float(np.cov(p, y, bias=True)[0, 1] / p.var())
        intercept = float(y.mean() - slope * p.mean())
    bins = []
    for tenth in np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p))):
        low, high = float(p[tenth].min()), float(p[tenth].max())
        means = float(p[tenth].mean()), float(y[tenth].mean())
        bins.append(Bin(low, high, len(tenth), *means))
    bias, spread_truth, spread_said = float((p - y).mean()), float(y.std()), float(p.std())
    return Agreement(name, len(p), bias, slope, intercept, spread_truth, spread_said, tuple(bins))
