"""Figures of one frame tell a drawn picture from one of a camera."""

import numpy as np

from semanticmac.eval.picture_features import picture_features
from semanticmac.eval.trust import FeatureDensity


def drawn(generator: np.random.Generator) -> np.ndarray:
    """A flat disc on a flat ground."""
    y, x = np.mgrid[:224, :224]
    frame = np.empty((224, 224, 3), np.uint8)
    frame[:] = generator.integers(100, 220, 3)
    centre, radius = generator.integers(80, 140, 2), generator.integers(30, 70)
    frame[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = generator.integers(0, 220, 3)
    return frame


def test_the_size_of_a_frame_hardly_changes_its_figures() -> None:
    frame = drawn(np.random.default_rng(0))
    large = np.kron(frame, np.ones((2, 2, 1), np.uint8))
    figures = picture_features(frame)
    assert figures.shape == (15,) and np.isfinite(figures).all()
    np.testing.assert_allclose(picture_features(large), figures, atol=0.15)


def test_a_noisy_picture_is_unlike_drawn_ones_and_another_drawn_one_is_not() -> None:
    generator = np.random.default_rng(1)
    drawn_ones = np.array([picture_features(drawn(generator)) for _ in range(120)])
    density = FeatureDensity.fit(drawn_ones[:60], drawn_ones[60:90], 0.025)
    assert np.mean([density.is_unusual(figures) for figures in drawn_ones[90:]]) < 0.2
    for _ in range(5):
        noise = generator.normal(0, 12, (224, 224, 3))
        camera = np.clip(drawn(generator) + noise, 0, 255).astype(np.uint8)
        assert density.is_unusual(picture_features(camera))
    assert np.isfinite(picture_features(np.zeros((120, 90, 3), np.uint8))).all()
