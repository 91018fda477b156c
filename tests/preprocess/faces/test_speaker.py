"""Mouth motion ignores shifts of the head; of two rendered people the one who speaks is chosen."""

import numpy as np
import pytest

from semanticmac.cache.records import RawClip
from semanticmac.preprocess.demo.two_faces import shoot_pair
from semanticmac.preprocess.faces.finder import DENSE_PER_ROW, DRAWN, FinderSpec, open_finder
from semanticmac.preprocess.faces.speaker import (
    MOUTH_COLUMNS,
    MOUTH_ROWS,
    PATCH_PX,
    region_motion,
    voice_energy,
    weighted_quantile,
)

CLIPS = 40


def mouth_motion(before: np.ndarray, after: np.ndarray) -> float:
    return region_motion(before, after, MOUTH_ROWS, MOUTH_COLUMNS)


def noise(seed: int) -> np.ndarray:
    shape = (PATCH_PX + 8, PATCH_PX + 8, 3)
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 4)])
def test_a_shifted_face_does_not_move_its_mouth(shift):
    picture = noise(0)
    before = picture[4:-4, 4:-4]
    down, across = shift
    after = picture[4 - down : 4 - down + PATCH_PX, 4 - across : 4 - across + PATCH_PX]
    assert mouth_motion(before, after) == 0


def test_motion_counts_in_the_mouth_region_alone():
    before = noise(1)[4:-4, 4:-4]
    eyes, mouth = before.copy(), before.copy()
    eyes[:30] = 0
    rows, columns = slice(*MOUTH_ROWS), slice(*MOUTH_COLUMNS)
    mouth[rows, columns] = 0
    assert mouth_motion(before, eyes) == 0
    assert mouth_motion(before, mouth) > 1


def test_the_weighted_quantile_equals_the_loop():
    rng = np.random.default_rng(2)
    for share in (0.1, 0.25, 0.5, 1.0):
        values, weights = rng.normal(size=15), rng.uniform(0, 1, 15)
        expected = None
        for value in sorted(values):
            reached = sum(w for v, w in zip(values, weights, strict=True) if v <= value)
            if expected is None and reached >= share * weights.sum() - 1e-12:
                expected = value
        assert weighted_quantile(values, weights, share) == pytest.approx(expected)


def test_the_energy_of_the_voice_is_that_of_each_interval():
    waveform = np.zeros(16_000, np.int16)
    waveform[8_000:] = 1_000
    energy = voice_energy(waveform, 6, 1.0, 3)  # six frames in one second
    np.testing.assert_allclose(energy, [0, 0, 0, 0, 1, 1], atol=0.03)
    np.testing.assert_array_equal(voice_energy(None, 4, 1.0, 3), np.ones(4))
    silence = voice_energy(np.zeros(16_000, np.int16), 6, 1.0, 3)
    np.testing.assert_array_equal(silence, np.ones(6))


def test_of_two_people_the_speaker_is_chosen_in_95_of_100_clips():
    finder = open_finder(FinderSpec(DRAWN))
    right = 0
    for number in range(CLIPS):
        rng = np.random.default_rng((5, number))
        pair = shoot_pair(rng, words=int(rng.integers(4, 12)))
        frames = pair.film.frames
        rows = frames[::DENSE_PER_ROW]
        raw = RawClip(rows, pair.film.waveform, len(frames) / 6)
        faces = finder.find(raw, frames)
        assert len(faces.tracks) == 2, f"clip {number}"
        middles = [(left + right_) / 2 for left, _, right_, _ in faces.squares]
        right += all((middle > rows.shape[2] / 2) == bool(pair.speaker) for middle in middles)
    assert right / CLIPS >= 0.95
