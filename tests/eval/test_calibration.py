"""Calibration and agreement against loops and least squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from semanticmac.core import Task
from semanticmac.eval.calibration import (
    agreements,
    answers,
    bins_of,
    calibration,
    expected_error,
    fit_temperature,
)

SENTIMENT = Task("regression")


FEELINGS = Task("single-label", ("hap", "sad", "neu"))


def test_calibration_error_equals_the_loop_and_the_temperature_is_validations():
    draw = np.random.default_rng(0)
    shares = draw.dirichlet([1, 1, 1], 4000)
    truth = np.stack([draw.multinomial(1, p) for p in shares]).astype(float)
    logits = 3.0 * np.log(shares)  # three times too sure
    said, right = answers(FEELINGS, truth, logits)
    slow = 0.0
    for low in np.arange(10) / 10:
        own = [i for i in range(4000) if low < said[i] <= low + 0.1 + 1e-12]
        if own:
            slow += len(own) / 4000 * abs(right[own].mean() - said[own].mean())
    assert expected_error(said, right) == pytest.approx(slow, abs=1e-9)
    assert sum(b.count for b in bins_of(said, right)) == 4000
    found = calibration(FEELINGS, (truth[:2000], logits[:2000]), (truth[2000:], logits[2000:]))
    assert (
        found.temperature == pytest.approx(3.0, rel=0.1) and found.error_scaled < 0.05 < found.error
    )
    assert found.temperature == fit_temperature(FEELINGS, truth[2000:], logits[2000:])
    binary = Task("binary", ("no", "yes"))
    y, p = truth[:, :1], logits[:, :1] - 1
    best = minimize_scalar(
        lambda t: (np.logaddexp(0, p / np.exp(t)) - y * p / np.exp(t)).mean(), bounds=(-4, 4)
    )
    assert fit_temperature(binary, y, p) == pytest.approx(np.exp(best.x), rel=1e-3)
    with pytest.raises(ValueError, match="agreement"):
        calibration(SENTIMENT, (y, p), (y, p))


def test_agreement_is_least_squares():
    draw = np.random.default_rng(0)
    y = draw.uniform(-3, 3, (101, 1))
    p = 0.5 * y + 0.1 + 0.2 * draw.normal(size=y.shape)
    [found] = agreements(SENTIMENT, y, p)
    slope, intercept = np.polyfit(p[:, 0], y[:, 0], 1)
    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert found.bias == pytest.approx((p - y).mean()) and sum(b.count for b in found.bins) == 101
    assert agreements(SENTIMENT, y, np.zeros_like(y))[0].slope is None
