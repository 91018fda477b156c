"""Errors, conflicts and slopes against loops; what has no label of its modalities has no curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semanticmac.core import Dimension, Task
from semanticmac.eval.conflict import (
    bin_edges,
    conflict_of,
    error_curve,
    error_curves,
    errors_of,
    slope_of,
)

SCORE = Task("regression")
SCORES = Task("regression", dimensions=(Dimension("valence"), Dimension("arousal", 1.0, 9.0)))
CLASSES = Task("single-label", ("sad", "glad", "calm"))


def test_conflict_of_scores_is_the_greatest_difference():
    assert conflict_of(SCORE, [[1.0], [-2.0], [0.5]]) == 3.0
    assert conflict_of(SCORE, [[1.0], [1.0]]) == 0.0
    assert conflict_of(SCORE, [[1.0]]) is None and conflict_of(SCORE, []) is None


def test_a_modality_without_one_score_leaves_the_pairs_that_have_it():
    nan = float("nan")
    assert conflict_of(SCORES, [[1.0, nan], [3.0, 2.0], [2.0, 6.0]]) == pytest.approx((2 + 4) / 2)
    assert conflict_of(SCORES, [[1.0, nan], [3.0, 2.0]]) == 2.0
    assert conflict_of(SCORES, [[1.0, nan], [nan, 2.0]]) is None


def test_conflict_of_classes_is_the_share_of_different_pairs():
    sad, glad, calm = np.eye(3).tolist()
    assert conflict_of(CLASSES, [sad, sad, sad]) == 0
    assert conflict_of(CLASSES, [sad, glad, sad]) == pytest.approx(2 / 3)
    assert conflict_of(CLASSES, [sad, glad, calm]) == 1


def test_errors_of_each_kind_of_task():
    truth = np.array([[1.0], [-3.0], [np.nan]])
    output = np.array([[0.5], [-9.0], [1.0]])
    # Predictions beyond the range are cut to it.
    np.testing.assert_allclose(errors_of(SCORE, truth, output), [0.5, 0.0, np.nan])
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [np.nan] * 3])
    np.testing.assert_allclose(errors_of(CLASSES, np.eye(3), logits), [0.0, 1.0, np.nan])
    many = Task("multi-label", ("a", "b"))
    wrong = errors_of(many, np.array([[1.0, 0.0]]), np.array([[3.0, 0.1]]))
    assert wrong.tolist() == [0.5]


def test_bins_hold_about_equal_numbers_and_equal_values_together():
    values = np.repeat([0.0, 0.2, 0.4, 1.0], [50, 10, 20, 20])
    counts = np.bincount(np.searchsorted(bin_edges(values), values, side="right"))
    assert counts.tolist() == [60, 20, 20] or counts.tolist() == [50, 10, 20, 20]
    assert len(bin_edges(np.zeros(9))) == 0


def test_a_curve_equals_the_loop_and_a_rising_error_has_a_positive_slope():
    random = np.random.default_rng(1)
    conflicts = random.uniform(0, 2, 300)
    errors = 0.3 * conflicts + random.uniform(0, 0.2, 300)
    edges = bin_edges(conflicts)
    curve = error_curve("multimodal", "clip", conflicts, errors, edges)
    limits = [-np.inf, *edges, np.inf]
    for part, low, high in zip(curve.bins, limits, limits[1:], strict=False):
        inside = [e for c, e in zip(conflicts, errors, strict=True) if low <= c < high]
        assert part.clips == len(inside) and part.error == pytest.approx(np.mean(inside))
        assert part.low < part.error < part.high
    assert sum(part.clips for part in curve.bins) == 300
    assert curve.slope == pytest.approx(np.polyfit(conflicts, errors, 1)[0])
    assert curve.slope_low is not None and curve.slope_high is not None
    assert 0.25 < curve.slope_low < curve.slope < curve.slope_high < 0.35
    assert np.isnan(slope_of(np.ones(4), np.arange(4.0)))


def test_only_clips_with_labels_of_two_modalities_count(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    predictions = data.predict(rows)
    task = data.trained.info.task
    assert error_curves(task, rows, predictions) == []
    labelled = []
    for number, row in enumerate(rows):
        if number < 6:
            row = replace(row, label_text=[float(number % 3)], label_audio=[-1.0])
        labelled.append(row)
    curves = error_curves(task, labelled, predictions)
    names = [(curve.prediction, curve.against) for curve in curves]
    expected = [(name, "clip") for name in ("multimodal", "text", "audio", "vision")]
    assert names == [*expected, ("text", "own"), ("audio", "own")]
    assert all(sum(part.clips for part in curve.bins) == 6 for curve in curves)
    backwards = error_curves(task, labelled[::-1], predictions)
    assert backwards == curves
