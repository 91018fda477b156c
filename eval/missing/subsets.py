"""Scores with modality subsets, and with frames or modalities dropped at random.

Nothing is trained or chosen here: the same weights see less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import score_predictions, valid_pair
from semanticmac.eval.metrics.scores import Scores
from semanticmac.eval.missing.drop import Drop
from semanticmac.eval.missing.request import RATES

Kind = Literal["frames", "modalities"]
KINDS: tuple[Kind, ...] = ("frames", "modalities")


@dataclass(frozen=True)
class SubsetScores:
    """Scores of a model that sees these modalities alone."""

    kept: tuple[str, ...]
    scores: Scores


@dataclass(frozen=True)
class CorruptionScores:
    """Scores of a model whose frames or modalities are dropped at this rate."""

    kind: Kind
    rate: float
    scores: Scores


def score_subsets(
    data: EvalData, split: str, progress: Callable[[int, int], None]
) -> list[SubsetScores]:
    """Every non-empty subset of the model's modalities, the largest first: seven of three."""
    used, rows = data.trained.info.model.modalities, data.rows(split)
    subsets = all_subsets(used)
    results = []
    for done, subset in enumerate(subsets):
        progress(done, len(subsets))
        without = tuple(name for name in used if name not in subset)
        predictions = data.predict(rows, without)
        scores = score_predictions(data, predictions, valid_pair(data, without))
        results.append(SubsetScores(subset, scores))
    progress(len(subsets), len(subsets))
    return results


def all_subsets(used: Sequence[str]) -> list[tuple[str, ...]]:
    """Every non-empty subset of these modalities, the largest first."""
    subsets: list[tuple[str, ...]] = []
    for size in range(len(used), 0, -1):
        subsets += combinations(used, size)
    return subsets


def score_corruption(
    data: EvalData, split: str, progress: Callable[[int, int], None], rates: Sequence[float] = RATES
) -> list[CorruptionScores]:
    """Frames, then modalities, dropped at every rate; text stays complete where frames are dropped.

    Thresholds, where a task has them, are chosen on complete validation clips.
    """
    rows, valid = data.rows(split), valid_pair(data)
    total = len(KINDS) * len(rates)
    results: list[CorruptionScores] = []
    for kind in KINDS:
        for rate in rates:
            progress(len(results), total)
            drop = Drop("modalities", rate)
            if kind == "frames":
                drop = Drop("same", rate, drops=("audio", "vision"))
            predictions = data.predict(rows, corrupt=drop)
            scores = score_predictions(data, predictions, valid)
            results.append(CorruptionScores(kind, rate, scores))
    progress(total, total)
    return results
