"""Paired bootstrap: is one model better than another on the same resampled clips?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.bootstrap import percentiles, resampled
from semanticmac.eval.metrics.rules import rule_set
from semanticmac.eval.metrics.scores import Pair, labelled, labelled_valid
from semanticmac.run.metric import Metric, Unit


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same clips; differences are b − a.

    None: undefined on these clips, or in too many resamples.
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    flips: float | None  # share of resamples in which the difference has another sign
    higher_is_better: bool
    unit: Unit = "percent"
    remark: str = ""  # of the metric, where it is true of both models

    @property
    def real(self) -> bool:
        """True where the 95 % interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_bootstrap(
    corpus: str,
    task: Task,
    truth: m.Floats,
    a: m.Floats,
    b: m.Floats,
    *,
    valid_a: Pair | None = None,
    valid_b: Pair | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """truth, a, b (N, K) of the same clips → the difference b − a of every metric.

    N clips are drawn with replacement, `resamples` times, and both models are scored on them. A
    difference of exactly 0 counts as a flip. The variation of training is not included: two seeds
    of one model may differ "really" too.
    """
    models = []
    for prediction, valid in ((a, valid_a), (b, valid_b)):
        rules = rule_set(corpus, task, labelled_valid(task, valid))
        clips = rules.clips(*labelled(task, truth, prediction, "this split"))
        models.append((rules, clips))

    metrics_a, metrics_b = (rules.total(clips) for rules, clips in models)
    count = len(models[0][1])
    draw = np.random.default_rng(seed)
    values = np.empty((resamples, 2, len(metrics_a)))
    for row in values:
        picked = draw.integers(count, size=count)
        for side, (rules, clips) in enumerate(models):
            row[side] = resampled(rules, clips, picked)
    changes = values[:, 1] - values[:, 0]  # (resamples, metrics)
    differences = []
    for metric_a, metric_b, column in zip(metrics_a, metrics_b, changes.T, strict=True):
        differences.append(_difference(metric_a, metric_b, column))
    return tuple(differences)


def _difference(a: Metric, b: Metric, changes: m.Floats) -> Difference:
    """changes (resamples,): b − a in each of them, NaN = undefined."""
    limits = percentiles(changes)
    difference = low = high = flips = None
    if a.value is not None and b.value is not None and limits is not None:
        difference = b.value - a.value
        low, high = limits
        defined = changes[~np.isnan(changes)]
        flips = float((defined * difference <= 0).mean())
    return Difference(
        a.name,
        a.value,
        b.value,
        difference,
        low,
        high,
        flips,
        a.higher_is_better,
        a.unit,
        remark=a.remark if a.remark == b.remark else "",
    )
