"""Linear probes find what is linear, and choose on validation."""

from __future__ import annotations

import numpy as np

from semanticmac.eval.analysis import probe


def test_probes_read_what_is_linear_and_choose_on_validation(walks):
    draw = np.random.default_rng(0)
    points, direction = draw.normal(size=(300, 5)), np.array([1.0, -2, 0.5, 0, 0])
    score = (points @ direction)[:, None]
    task = walks["regression"].open().trained.info.task
    sides = [(points[a:b], score[a:b]) for a, b in ((0, 200), (200, 250), (250, 300))]
    said, strength = probe.fit(task, sides[0], sides[1], sides[2][0])
    assert strength == min(probe.STRENGTHS) and np.abs(said - sides[2][1]).max() < 0.01
    noise = [(points[a:b], draw.normal(size=(b - a, 1))) for a, b in ((0, 20), (20, 120))]
    assert probe.fit(task, *noise, points[:1])[1] == max(probe.STRENGTHS)
    binary = walks["binary"].open().trained.info.task
    said, _ = probe.fit(binary, *[(x, (y > 0).astype(float)) for x, y in sides[:2]], sides[2][0])
    assert ((said > 0) == (sides[2][1] > 0)).mean() > 0.95
    everyone = [(x, np.ones_like(y)) for x, y in sides[:2]]
    assert (probe.fit(binary, *everyone, sides[2][0])[0] > 0).all()
