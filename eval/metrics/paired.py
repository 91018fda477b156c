"""Is one model really better than another? A paired bootstrap: both are drawn on the same clips, every time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.bootstrap import MIN_DEFINED
from semanticmac.eval.metrics.rules import rule_set
from semanticmac.eval.metrics.scores import Pair, labelled


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same clips; b − a everywhere.

    None: undefined, on these clips or too often.
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    flips: (
        float | None
    )  # share of resamples in which the difference has not the sign that it has on these clips
    higher_is_better: bool

    @property
    def real(self) -> bool:
        """Whether the 95 % interval leaves zero out."""
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
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """truth, a, b (N, K), a row the same clip in all three → the difference b − a of every metric.

    N clips are drawn with replacement, `resamples` times, and both models scored on them; a
    difference of exactly 0 counts as a flip. What it leaves out is the chance of training: two
    seeds of one model may differ "really" too.
    """
    sides = []
    for prediction, valid in ((a, valid_a), (b, valid_b)):
        y, p = labelled(task, truth, prediction, "this split")
        rules = rule_set(corpus, task, None if valid is None else labelled(task, *valid, "valid"))
        sides.append((rules, rules.clips(y, p)))
    whole = [rules.total(clips) for rules, clips in sides]
    draw = np.random.default_rng(seed)
    values = np.full((resamples, 2, len(whole[0])), np.nan)
    for row in values:
        picked = draw.integers(len(sides[0][1]), size=len(sides[0][1]))
        for side, (rules, clips) in enumerate(sides):
            row[side] = [np.nan if x.value is None else x.value for x in rules.total(clips[picked])]
    moved = values[:, 1] - values[:, 0]  # (resamples, metrics)
    return tuple(
        _difference(one.name, one.value, two.value, column, level, one.higher_is_better)
        for one, two, column in zip(*whole, moved.T, strict=True)
    )


def _difference(
    name: str,
    a: float | None,
    b: float | None,
    moved: m.Floats,
    level: float,
    higher_is_better: bool,
) -> Difference:
    defined = moved[~np.isnan(moved)]
    if a is None or b is None or len(defined) < MIN_DEFINED * len(moved):
        return Difference(name, a, b, None, None, None, None, higher_is_better)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    flips = float((defined * (b - a) <= 0).mean())
    return Difference(name, a, b, b - a, float(low), float(high), flips, higher_is_better)
