"""Intervals cover what they promise, and clips of another kind are flagged."""

import math

import numpy as np
import pytest

from semanticmac.core import Dimension
from semanticmac.eval.trust import FeatureDensity, conformal_half_width, coverage, interval

RANGE = Dimension()


def test_the_half_width_is_the_ranked_error():
    assert conformal_half_width(np.arange(1.0, 20.0), 0.9) == 18.0  # ⌈20 · 0.9⌉ = 18
    assert conformal_half_width([3.0, 1.0, 2.0], 0.5) == 2.0
    assert conformal_half_width([1.0] * 8, 0.9) == math.inf  # ⌈8.1⌉ = 9 of 8
    assert conformal_half_width([], 0.9) == math.inf


def test_intervals_cover_the_promised_share_on_average():
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        truth = generator.normal(0, 0.5, 120)
        said = truth + generator.standard_t(3, 120) * 0.2
        half = conformal_half_width(np.abs(truth - said)[:60])
        shares.append(coverage(RANGE, truth[60:], said[60:], half))
    assert 0.9 <= np.mean(shares) <= 0.925  # the promise, and at most 1 / (N + 1) more


def test_an_interval_stays_in_the_range_of_the_labels():
    assert interval(RANGE, 2.5, 1.0) == (1.5, 3.0)
    assert interval(RANGE, 0.0, math.inf) == (-3.0, 3.0)
    assert interval(RANGE, 9.0, 1.0) == (3.0, 3.0)
    low, high = interval(RANGE, -9.0, 1.0)
    assert low <= high == -3.0


def test_unlabelled_clips_do_not_count_in_the_coverage():
    truth = np.array([0.0, math.nan, 2.0])
    assert coverage(RANGE, truth, np.array([0.1, 0.0, 0.0]), 0.5) == 0.5


@pytest.mark.parametrize("width", [8, 300])
@pytest.mark.parametrize("clips", [40, 400])
def test_one_clip_in_twenty_is_unusual_and_clips_of_another_kind_are(width, clips):
    generator = np.random.default_rng(1)
    mixing = generator.normal(size=(5, width))

    def draw(count):
        return generator.normal(size=(count, 5)) @ mixing + 0.3 * generator.normal(
            size=(count, width)
        )

    density = FeatureDensity.fit(draw(clips), draw(200))
    flagged = [density.is_unusual(clip) for clip in draw(400)]
    assert np.mean(flagged) < 0.12
    # The same spread in other directions, another noise, another place.
    other = generator.normal(size=(50, 5)) @ generator.normal(size=(5, width))
    assert np.mean([density.is_unusual(clip) for clip in other]) > 0.7
    assert all(density.is_unusual(clip) for clip in draw(20) * 6)
    assert all(density.is_unusual(clip) for clip in draw(20) + 12)


def test_the_distance_is_that_of_the_full_covariance():
    generator = np.random.default_rng(2)
    train = generator.normal(size=(50, 6)) @ generator.normal(size=(6, 6))
    density = FeatureDensity.fit(train, train)
    k = len(density.variances)
    loadings = density.directions.T * (density.variances - density.rest)
    covariance = loadings @ density.directions + density.rest * np.eye(6)
    assert k == 5
    for clip, distance in zip(train, density.distances(train), strict=True):
        standard = (clip - density.mean) / density.deviation
        expected = math.sqrt(standard @ np.linalg.solve(covariance, standard) / 6)
        assert distance == pytest.approx(expected, rel=1e-9)


def test_a_constant_feature_is_no_division_by_zero():
    train = np.ones((10, 4))
    train[:, 0] = np.arange(10)
    density = FeatureDensity.fit(train, train)
    assert np.isfinite(density.distances(train)).all()
    assert density.is_unusual(np.array([4.0, 1.0, 9.0, 1.0]))


def test_too_few_clips_are_refused():
    with pytest.raises(ValueError, match="1 train and 3 validation clips are too few"):
        FeatureDensity.fit(np.ones((1, 4)), np.ones((3, 4)))
