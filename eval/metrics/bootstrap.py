"""How far a score would move on other clips of the same kind: seeded bootstrap intervals of every metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.rules import rule_set
from semanticmac.eval.metrics.scores import Pair, labelled

# share of resamples that must define a metric, or its interval would describe the lucky ones
MIN_DEFINED = 0.9


@dataclass(frozen=True)
class Interval:
    """The middle `level` of a metric over resamples of the clips; None where it is too often undefined."""

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
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Percentile intervals, in the order of `score`'s metrics: N clips drawn with replacement, `resamples` times.

    Clips are drawn one by one, so clips of one video count as independent, and thresholds stay
    those of validation: the interval is of the chance in the test clips alone, not of training
    (that is the spread over seeds).
    """
    truth, prediction = labelled(task, truth, prediction, "this split")
    rules = rule_set(dataset, task, None if valid is None else labelled(task, *valid, "valid"))
    draw = np.random.default_rng(seed)
    clips = rules.clips(truth, prediction)
    names = [metric.name for metric in rules.total(clips)]
    values = np.full((resamples, len(names)), np.nan)
    for row in values:
        picked = draw.integers(len(clips), size=len(clips))
        row[:] = [
            np.nan if metric.value is None else metric.value
            for metric in rules.total(clips[picked])
        ]
    return tuple(
        _interval(name, column, level) for name, column in zip(names, values.T, strict=True)
    )


def _interval(name: str, values: m.Floats, level: float) -> Interval:
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    if not len(defined) or len(defined) < MIN_DEFINED * len(values):
        return Interval(name, None, None, undefined)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(name, float(low), float(high), undefined)
