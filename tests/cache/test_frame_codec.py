import numpy as np
import pytest

from semanticmac.cache.frame_codec import RecordError, check_record, pack, summarize, unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import RawClip, frame_count

LOSSLESS = Sampling(picture="png")


def test_a_lossless_record_gives_back_every_bit(raw):
    clip = raw()
    back = unpack(pack(clip, LOSSLESS))
    np.testing.assert_array_equal(back.frames, clip.frames)
    np.testing.assert_array_equal(back.waveform, clip.waveform)
    assert (back.duration_s, back.notes) == (clip.duration_s, clip.notes)


def test_jpeg_stays_near_a_smooth_picture():
    ramp = np.linspace(0, 255, 300)[None, :, None] * np.ones((224, 1, 3))
    clip = RawClip(ramp[None].astype(np.uint8), None, 0.5)
    back = unpack(pack(clip, Sampling()))
    assert np.abs(back.frames.astype(int) - clip.frames.astype(int)).max() <= 3


@pytest.mark.parametrize("absent", ["frames", "waveform"])
def test_an_absent_modality_stays_none(raw, absent):
    clip = raw()
    fields = {"frames": clip.frames, "waveform": clip.waveform} | {absent: None}
    record = pack(RawClip(**fields, duration_s=1.5), LOSSLESS)
    assert getattr(unpack(record), absent) is None
    assert summarize(record).has_vision == (absent != "frames")
    assert summarize(record).has_audio == (absent != "waveform")
    assert summarize(record).frames == 3


def test_any_flipped_byte_is_found(raw):
    record = pack(raw(frames=1, samples=2000), Sampling(picture="jpeg-20"))
    random = np.random.default_rng(1)
    for at in [*range(40), *random.integers(40, len(record), 60)]:
        broken = bytearray(record)
        broken[at] ^= 0x10
        with pytest.raises(RecordError):
            check_record(broken)


def test_any_flipped_byte_of_what_a_record_says_is_found_without_its_pictures(raw):
    record = pack(raw(frames=1, samples=2000), Sampling(picture="jpeg-20"))
    end = record.index(b"}") + 1
    for at in [*range(4), *range(8, end)]:  # bytes 4 to 8 are the CRC of the whole record
        broken = bytearray(record)
        broken[at] ^= 0x10
        with pytest.raises(
            RecordError, match="`semanticmac cache DATASET --repair` decodes the clip again"
        ):
            summarize(broken)
    for length in (0, 3, 15, 20, end - 1):
        with pytest.raises(RecordError):
            summarize(record[:length])
    assert summarize(record[:end]) == summarize(record)


def test_a_cut_record_is_found(raw):
    record = pack(raw(frames=1, samples=2000), Sampling(picture="jpeg-20"))
    for length in (0, 3, 11, 40, len(record) - 1):
        with pytest.raises(RecordError):
            check_record(record[:length])


@pytest.mark.parametrize(
    ("duration_s", "frames"),
    [(0.2, 1), (0.5, 1), (0.51, 2), (3.0, 6), (2.96, 6), (3.04, 7), (3.00005, 6)],
)
def test_frame_count_counts_the_times_before_the_end(duration_s, frames):
    assert frame_count(duration_s, 2) == frames


def test_a_sampling_names_a_picture_format_that_exists():
    with pytest.raises(ValueError, match="expected `png` or `jpeg-"):
        Sampling(picture="gif")
