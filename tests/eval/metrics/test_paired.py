"""The paired bootstrap against a loop."""

from __future__ import annotations

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics.paired import paired_bootstrap

SENTIMENT = Task("regression")


def test_paired_bootstrap_equals_the_loop_and_tells_real_from_chance():
    draw = np.random.default_rng(0)
    truth = draw.uniform(-3, 3, (80, 1))
    good, bad = truth + 0.2 * draw.normal(size=(80, 1)), truth + 1.5 * draw.normal(size=(80, 1))
    found = {
        d.name: d
        for d in paired_bootstrap("mosi", SENTIMENT, truth, bad, good, resamples=200, seed=3)
    }
    again = np.random.default_rng(3)
    moved = []
    for _ in range(200):
        picked = again.integers(80, size=80)
        moved.append(np.abs(good - truth)[picked].mean() - np.abs(bad - truth)[picked].mean())
    mae = found["MAE"]
    np.testing.assert_allclose([mae.low, mae.high], np.quantile(moved, [0.025, 0.975]), atol=1e-12)
    assert mae.real and mae.flips == 0 and mae.difference < 0 and not mae.higher_is_better
    same = paired_bootstrap("mosi", SENTIMENT, truth, good, good, resamples=50)
    assert all(d.difference == 0 and d.flips == 1 and not d.real for d in same)
