"""Is a row worse than the best one? A paired bootstrap over test clips, corrected after Holm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.leaderboard.result import Against
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.bootstrap import percentiles
from semanticmac.eval.metrics.rules import Clips, RuleSet, rule_set
from semanticmac.eval.metrics.scores import Pair, labelled, labelled_valid
from semanticmac.run.metric import Metric

RESAMPLES = 1000
# The smallest p is 2/(resamples + 1). Times the number of comparisons it must be below 0.05.
RESAMPLES_PER_COMPARISON = 100
DIGITS = 12  # Scores that agree in so many digits after the point are equal.


@dataclass(frozen=True)
class SeedPrediction:
    """The test predictions (N, K) of one seed, and its validation pair for thresholds."""

    prediction: m.Floats
    valid: Pair | None = None


def resample_means(
    corpus: str,
    task: Task,
    truth: m.Floats,
    models: Mapping[str, Sequence[SeedPrediction]],
    main: str,
    resamples: int = RESAMPLES,
) -> dict[str, m.Floats]:
    """Model → its main metric on each resample, the mean over its seeds: (resamples,).

    truth (N, K). The same N clips are drawn, with replacement, for all models and seeds: that is
    what makes their differences paired. NaN where the metric is undefined.
    """
    prepared: dict[str, list[tuple[RuleSet, Clips]]] = {}
    count = 0
    for name, seeds in models.items():
        prepared[name] = []
        for each in seeds:
            rules = rule_set(corpus, task, labelled_valid(task, each.valid))
            clips = rules.clips(*labelled(task, truth, each.prediction, "test"))
            count = len(clips)
            prepared[name].append((rules, clips))
    draw = np.random.default_rng(0)
    picks = [draw.integers(count, size=count) for _ in range(resamples)]

    means = {}
    for name, parts in prepared.items():
        values = np.empty((resamples, len(parts)))
        for row, picked in zip(values, picks, strict=True):
            for place, (rules, clips) in enumerate(parts):
                row[place] = _main(rules.total(clips[picked]), main)
        means[name] = values.mean(axis=1)
    return means


def _main(metrics: Sequence[Metric], main: str) -> float:
    for metric in metrics:
        if metric.name == main:
            return float("nan") if metric.value is None else float(metric.value)
    raise ValueError(f"there is no metric {main!r}")


def resamples_for(comparisons: int) -> int:
    """How many resamples let each of so many comparisons be significant after Holm."""
    return max(RESAMPLES, RESAMPLES_PER_COMPARISON * comparisons)


def ranks(scores: Mapping[str, float], higher_is_better: bool) -> dict[str, int]:
    """The rank of each model, from 1. Equal scores share a rank, and the next one is left out."""
    # Sums in another order differ in the last digit.
    rounded = {name: round(score, DIGITS) for name, score in scores.items()}
    order = sorted(rounded.values(), reverse=higher_is_better)
    return {name: order.index(score) + 1 for name, score in rounded.items()}


def against_best(
    means: Mapping[str, m.Floats], scores: Mapping[str, float], best: str
) -> dict[str, Against]:
    """Every other model against the best one.

    means: of `resample_means`; scores: the main metric on all test clips, the mean over seeds.
    p is twice the share of resamples in which the difference has the other sign or is 0, with one
    added to both counts, so that it is never 0.
    """
    names = [name for name in means if name != best]
    p_values, limits = [], []
    for name in names:
        changes = means[name] - means[best]
        defined = changes[~np.isnan(changes)]
        difference = scores[name] - scores[best]
        against = int((defined * difference <= 0).sum())
        p_values.append(min(1.0, 2 * (against + 1) / (len(defined) + 1)))
        limits.append(percentiles(changes) or (None, None))
    results = {}
    for name, p, corrected, (low, high) in zip(
        names, p_values, holm(p_values), limits, strict=True
    ):
        difference = scores[name] - scores[best]
        results[name] = Against(best, difference, low, high, p, corrected)
    return results


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected after Holm (1979), in their order.

    The smallest of n is multiplied by n, the next by n − 1, and so on; none is smaller than one
    before it, and none is above 1.
    """
    corrected = [0.0] * len(p_values)
    greatest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = greatest
    return corrected
