"""Means over runs: folds have test clips and a constant of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semanticmac.eval.missing.curve import MissingCurve, MissingPoint
from semanticmac.eval.missing.summary import summarise
from semanticmac.run.metric import Metric

POINT = MissingPoint("0.5", 0.5, 0.4, ({"MAE": 1.0},))
MAE = Metric("MAE", None, higher_is_better=False, unit="number")
CURVE = MissingCurve("same", "absent", "test", 0, 1, "MAE", (MAE,), 0.1, (POINT,))


def test_constant_and_dropped_share_are_means_over_runs():
    other = replace(CURVE, constant=0.7, points=(replace(POINT, dropped=0.6),))
    summary = summarise([CURVE, other])
    assert summary.constant == pytest.approx(0.4)
    assert summary.points[0].dropped == pytest.approx(0.5)


def test_equal_values_and_unknown_ones_stay():
    assert summarise([CURVE] * 3).constant == 0.1
    assert summarise([replace(CURVE, constant=None)] * 2).constant is None
