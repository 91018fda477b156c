"""One of two people in a frame: the half is cut in native pixels, by every decoder."""

import numpy as np
import pytest

from semanticmac.preprocess.clip import Clip, RawClip
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.decoding.frames import half

RED, BLUE = 0, 2


@pytest.fixture(scope="module")
def two(studio):
    """A second of red beside blue, 128 × 64, with sound."""
    pictures = (
        "-f",
        "lavfi",
        "-i",
        "color=red:s=64x64:r=10:d=1",
        "-f",
        "lavfi",
        "-i",
        "color=blue:s=64x64:r=10:d=1",
    )
    sound = ("-f", "lavfi", "-i", "sine=440:d=1")
    studio.run(
        *pictures,
        *sound,
        "-filter_complex",
        "hstack",
        "-pix_fmt",
        "yuv420p",
        "-crf",
        "4",
        "two.mp4",
    )
    return studio.folder / "two.mp4"


def colour(picture: np.ndarray) -> int:
    return int(picture.mean(axis=(0, 1)).argmax())


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_the_two_halves_of_a_two_coloured_picture(two, decoder):
    def decode(crop: str | None) -> RawClip:
        return decode_clip(Clip("clip", two, crop=crop), decoder=decoder)

    whole, left, right = decode(None), decode("left"), decode("right")
    assert whole.frames.shape == (2, 224, 448, 3)
    assert (
        left.frames.shape == right.frames.shape == (2, 224, 224, 3)
    )  # the short side is the half's own
    for raw, expected, other in ((left, RED, BLUE), (right, BLUE, RED)):
        assert all(colour(picture) == expected for picture in raw.frames)
        assert raw.frames[..., other].max() < 40  # nothing of the other half bleeds in
        assert (raw.duration_s, raw.notes) == (whole.duration_s, whole.notes)
        np.testing.assert_array_equal(raw.waveform, whole.waveform)


@pytest.mark.parametrize("width", [1, 2, 7, 8])
def test_halves_are_equally_wide_and_together_the_picture(width):
    picture = np.arange(width * 3).reshape(1, width, 3)
    left, right = half(picture, "left"), half(picture, "right")
    assert left.shape == right.shape == (1, (width + 1) // 2, 3)
    np.testing.assert_array_equal(
        np.unique(np.concatenate([left, right], axis=1)), np.unique(picture)
    )
    assert half(picture, None) is picture
