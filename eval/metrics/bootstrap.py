"""Bootstrap intervals: how far a metric would move on other clips of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.rules import Clips, RuleSet, rule_set
from semanticmac.eval.metrics.scores import Pair, labelled, labelled_valid

# A metric must be defined in this share of the resamples; otherwise its interval would describe
# only the resamples that happen to define it.
MIN_DEFINED = 0.9
LEVEL = 0.95  # of an interval


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a metric over resamples; None where it is too often undefined."""

    name: str
    low: float | None
    high: float | None
    undefined: int  # resamples in which the metric was undefined


def bootstrap(
    dataset: str,
    task: Task,
    truth: m.Floats,
    prediction: m.Floats,
    *,
    valid: Pair | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Percentile intervals in the order of `score`'s metrics, from N clips drawn with replacement.

    Clips are drawn one by one: clips of one video count as independent. Thresholds stay those of
    validation. So the interval covers the choice of test clips alone; for the variation of training
    see the spread over seeds.
    """
    truth, prediction = labelled(task, truth, prediction, "this split")
    rules = rule_set(dataset, task, labelled_valid(task, valid))
    draw = np.random.default_rng(seed)
    clips = rules.clips(truth, prediction)
    names = [metric.name for metric in rules.total(clips)]
    values = np.empty((resamples, len(names)))
    for row in values:
        row[:] = resampled(rules, clips, draw.integers(len(clips), size=len(clips)))
    intervals = []
    for name, column in zip(names, values.T, strict=True):
        intervals.append(_interval(name, column))
    return tuple(intervals)


def resampled(rules: RuleSet, clips: Clips, picked: m.Ints) -> list[float]:
    """Values of all metrics on the picked clips; NaN = undefined."""
    metrics = rules.total(clips[picked])
    return [np.nan if metric.value is None else metric.value for metric in metrics]


def percentiles(values: m.Floats) -> tuple[float, float] | None:
    """Both ends of the middle 95 % of the values (R,); None where too many of them are NaN."""
    defined = values[~np.isnan(values)]
    if not len(defined) or len(defined) < MIN_DEFINED * len(values):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _interval(name: str, values: m.Floats) -> Interval:
    undefined = int(np.isnan(values).sum())
    limits = percentiles(values)
    low, high = (None, None) if limits is None else limits
    return Interval(name, low, high, undefined)
