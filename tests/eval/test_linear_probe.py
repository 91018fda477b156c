"""Probes against scikit-learn, and the choice of the penalty within train."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from support.planted import TASKS

from semanticmac.core import Task
from semanticmac.eval import linear_probe as lp

DRAW = np.random.default_rng(0)
POINTS = DRAW.normal(size=(120, 6)) * 3 + 1
SIGNAL = (POINTS - 1) @ np.array([1.0, -1, 0.5, 0, 0, 0])
GROUPS = [f"s{i % 6}" for i in range(120)]


def standard(points: np.ndarray) -> np.ndarray:
    return (points - POINTS.mean(0)) / POINTS.std(0)


def test_a_ridge_on_standardised_features():
    truth = SIGNAL[:, None]
    found = lp.fit_linear(TASKS["regression"], 10.0, POINTS, truth).outputs(POINTS[:5] + 1)
    expected = Ridge(alpha=10.0).fit(standard(POINTS), SIGNAL).predict(standard(POINTS[:5] + 1))
    np.testing.assert_allclose(found[:, 0], expected)


def test_a_multinomial_logistic_regression():
    classes = np.digitize(SIGNAL, [-2, 2])
    found = lp.fit_linear(TASKS["single-label"], 10.0, POINTS, np.eye(3)[classes])
    model = LogisticRegression(C=0.1, max_iter=1000).fit(standard(POINTS), classes)
    expected = model.decision_function(standard(POINTS))
    np.testing.assert_allclose(found.outputs(POINTS), expected, atol=1e-3)


def test_a_class_without_a_train_clip_is_never_predicted():
    task = Task("single-label", ("a", "b", "c", "d"))
    for classes in (np.digitize(SIGNAL, [0]) * 2, np.full(120, 3)):
        fitted = lp.fit_linear(task, 1.0, POINTS, np.eye(4)[classes])
        predicted = fitted.outputs(POINTS).argmax(1)
        assert set(predicted) <= set(classes) and (predicted == classes).mean() > 0.95


def test_binary_and_multi_label_heads():
    truth = np.stack([SIGNAL > 0, SIGNAL > 2, np.ones(120)], axis=1).astype(float)
    task = Task("multi-label", ("a", "b", "c"))
    decided = lp.fit_linear(task, 0.1, POINTS, truth).outputs(POINTS) > 0
    assert (decided == (truth > 0.5)).mean() > 0.97
    binary = lp.fit_linear(TASKS["binary"], 0.1, POINTS, truth[:, :1]).outputs(POINTS)
    assert ((binary[:, 0] > 0) == (SIGNAL > 0)).mean() > 0.97


WIDE = np.concatenate([POINTS, DRAW.normal(size=(120, 60))], axis=1)


def test_noise_gets_a_stronger_penalty_than_signal():
    task = TASKS["regression"]
    clear = lp.choose_probe(task, WIDE, SIGNAL[:, None], GROUPS)
    noise = lp.choose_probe(task, WIDE, DRAW.normal(size=(120, 1)), GROUPS)
    assert clear.strength < noise.strength


@pytest.mark.parametrize("kind", ["single-label", "binary", "multi-label"])
def test_the_penalty_is_the_best_on_held_out_groups(kind):
    task = TASKS[kind]
    if kind == "single-label":
        truth = np.eye(3)[np.digitize(SIGNAL, [-2, 2])]
    else:
        truth = np.stack([SIGNAL > 0, SIGNAL > 1][: task.width], axis=1).astype(float)
    chosen = lp.choose_probe(task, WIDE, truth, GROUPS)
    losses = {}
    for strength in lp.STRENGTHS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lp, "STRENGTHS", (strength,))
            only = lp.choose_probe(task, WIDE, truth, GROUPS)
        losses[strength] = lp.scaled_loss(task, truth, only.held_out)
    assert losses[chosen.strength] == min(losses.values())


def test_outputs_for_train_clips_come_from_other_groups():
    """Labels are noise: only a fit on the clip itself could know them."""
    truth = DRAW.normal(size=(120, 1))
    wide = DRAW.normal(size=(120, 200))
    probe = lp.choose_probe(TASKS["regression"], wide, truth, [str(i) for i in range(120)])
    weak = lp.fit_linear(TASKS["regression"], 0.01, wide, truth)
    assert np.corrcoef(weak.outputs(wide)[:, 0], truth[:, 0])[0, 1] > 0.95
    assert abs(np.corrcoef(probe.held_out[:, 0], truth[:, 0])[0, 1]) < 0.3


def test_one_group_chooses_nothing():
    probe = lp.choose_probe(TASKS["regression"], POINTS, SIGNAL[:, None], ["a"] * 120)
    assert probe.strength == lp.DEFAULT_STRENGTH
