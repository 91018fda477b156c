"""Error against the conflict of a clip: how far apart the labels of its modalities lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, SUB_TASKS, Task
from semanticmac.eval.metrics.bootstrap import percentiles
from semanticmac.run.predictions import Predictions, rows_by_clip_id

BINS = 5
RESAMPLES = 1000
MIN_CLIPS = 3  # of a line: fewer say nothing
# clip: the label of the whole clip; own: the label of the modality itself
Against = Literal["clip", "own"]


@dataclass(frozen=True)
class ErrorBin:
    """Clips with about the same conflict. The interval is the bootstrap of the mean over clips."""

    conflict: float  # mean
    clips: int
    error: float  # mean
    low: float
    high: float


@dataclass(frozen=True)
class ErrorCurve:
    """The error of one prediction against the conflict."""

    prediction: str  # multimodal, text, audio or vision
    against: Against
    bins: tuple[ErrorBin, ...]
    # Least-squares slope of error over conflict, with its bootstrap interval; None: undefined
    slope: float | None
    slope_low: float | None
    slope_high: float | None


def conflict_of(task: Task, labels: Sequence[Sequence[float]]) -> float | None:
    """Distance of the labels of two or three modalities; None where fewer are annotated.

    Scores: the greatest absolute difference of two modalities, mean over the scores. Classes: the
    share of pairs of modalities whose labels differ.
    """
    if len(labels) < 2:
        return None
    gaps = []
    for a, b in combinations(np.array(labels, dtype=np.float64), 2):
        gaps.append(np.abs(a - b))
    if task.kind == "regression":
        pairs = np.array(gaps)  # (pairs, K)
        known = ~np.isnan(pairs).all(axis=0)
        if not known.any():
            return None
        return float(np.nanmax(pairs[:, known], axis=0).mean())
    return float(np.mean([bool(gap.any()) for gap in gaps]))


def errors_of(task: Task, truth: np.ndarray, output: np.ndarray) -> np.ndarray:
    """(N, K), (N, K) → (N,) errors: absolute for scores, else 0 or 1; NaN = not annotated.

    Multi-label: the share of classes on the wrong side of a probability of one half.
    """
    missing = np.isnan(truth).all(axis=1) | np.isnan(output).any(axis=1)
    if task.kind == "regression":
        absolute = np.abs(within_range(task, output) - truth)
        known = ~np.isnan(absolute)
        errors = np.where(known, absolute, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    elif task.kind == "single-label":
        errors = (output.argmax(axis=1) != np.nan_to_num(truth).argmax(axis=1)).astype(float)
    else:
        errors = ((output > 0) != (truth > 0.5)).mean(axis=1)
    return np.where(missing, np.nan, errors)


def error_curves(task: Task, rows: Sequence[Row], predictions: Predictions) -> list[ErrorCurve]:
    """Curves of every prediction that the model makes, on clips with two modality labels or more.

    Multimodal and single modalities against the label of the clip, then single modalities against
    their own labels. Empty where no clip has labels of two modalities.
    """
    row_of = rows_by_clip_id(rows)
    ordered = [row_of[clip_id] for clip_id in predictions.clip_ids]
    conflicts = np.full(len(ordered), np.nan)
    for number, row in enumerate(ordered):
        conflict = conflict_of(task, _own_labels(row))
        if conflict is not None:
            conflicts[number] = conflict
    if np.isnan(conflicts).all():
        return []
    edges = bin_edges(conflicts[~np.isnan(conflicts)])

    curves = []
    for against in ("clip", "own"):
        for name in ("multimodal", *MODALITIES):
            if against == "own" and name == "multimodal":
                continue
            truth = predictions.truth
            if against == "own":
                truth = _matrix([getattr(row, f"label_{name}") for row in ordered], truth.shape[1])
            output = predictions.outputs[:, SUB_TASKS.index(name)]
            errors = errors_of(task, truth, _available(predictions, name, output))
            known = ~np.isnan(errors) & ~np.isnan(conflicts)
            if known.sum() >= MIN_CLIPS:
                curve = error_curve(name, against, conflicts[known], errors[known], edges)
                curves.append(curve)
    return curves


def error_curve(
    name: str, against: Against, conflicts: np.ndarray, errors: np.ndarray, edges: np.ndarray
) -> ErrorCurve:
    """conflicts, errors (N,); edges: inner limits of the bins, a limit belongs to the upper bin."""
    random = np.random.default_rng(0)
    bin_of = np.searchsorted(edges, conflicts, side="right")
    bins = []
    for number in range(len(edges) + 1):
        inside = errors[bin_of == number]
        if not len(inside):
            continue
        picked = random.integers(len(inside), size=(RESAMPLES, len(inside)))
        limits = percentiles(inside[picked].mean(axis=1))
        assert limits is not None
        middle = float(conflicts[bin_of == number].mean())
        bins.append(ErrorBin(middle, len(inside), float(inside.mean()), *limits))

    slopes = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        picked = random.integers(len(errors), size=len(errors))
        slopes[number] = slope_of(conflicts[picked], errors[picked])
    slope = slope_of(conflicts, errors)
    limits = percentiles(slopes)
    low, high = (None, None) if limits is None else limits
    return ErrorCurve(name, against, tuple(bins), None if np.isnan(slope) else slope, low, high)


def bin_edges(conflicts: np.ndarray) -> np.ndarray:
    """Inner limits of about BINS bins with equal numbers of clips; equal values share a bin."""
    quantiles = np.quantile(conflicts, np.arange(1, BINS) / BINS)
    edges = np.unique(quantiles)
    inner: np.ndarray = edges[edges > conflicts.min()]
    return inner


def slope_of(x: np.ndarray, y: np.ndarray) -> float:
    """The least-squares slope of y over x; NaN where x is constant."""
    centred = x - x.mean()
    spread = float((centred**2).sum())
    return float((centred * y).sum() / spread) if spread > 0 else float("nan")


def within_range(task: Task, output: np.ndarray) -> np.ndarray:
    """Scores (…, K) of a regression task, cut to the range of each."""
    lows = [dimension.low for dimension in task.dimensions]
    highs = [dimension.high for dimension in task.dimensions]
    return np.asarray(np.clip(output, lows, highs))


def _own_labels(row: Row) -> list[list[float]]:
    labels = []
    for name in MODALITIES:
        label = getattr(row, f"label_{name}")
        if label is not None:
            labels.append(label)
    return labels


def _matrix(labels: Sequence[Sequence[float] | None], width: int) -> np.ndarray:
    matrix = np.full((len(labels), width), np.nan)
    for number, label in enumerate(labels):
        if label is not None:
            matrix[number] = label
    return matrix


def _available(predictions: Predictions, name: str, output: np.ndarray) -> np.ndarray:
    """The output of a head; NaN for clips without its modality."""
    if name == "multimodal":
        return output
    has = predictions.present[:, MODALITIES.index(name), None]
    return np.where(has, output, np.nan)
