"""Times of mpg frames whose stamps name the wrong frames."""

from typing import Any

import numpy as np
import pytest

from semanticmac.preprocess.decoding import av_packets
from semanticmac.preprocess.decoding.av_reader import forget
from semanticmac.preprocess.decoding.mpeg_clock import FrameHead, display_order, even_times

from .conftest import Studio, decode, numbers

INTRA, PREDICTED, BOTH = 1, 2, 3


def heads(kinds: list[int], time_code: tuple[int, int, int, int] | None = None) -> list[FrameHead]:
    first = FrameHead(kinds[0], 0, time_code)
    return [first, *(FrameHead(kind, at, None) for at, kind in enumerate(kinds[1:], 1))]


def test_a_reference_frame_is_shown_when_the_next_one_is_decoded():
    kinds = [INTRA, PREDICTED, BOTH, BOTH, PREDICTED, BOTH]
    assert display_order(heads(kinds)).tolist() == [0, 2, 3, 1, 5, 4]


def test_a_shift_that_later_stamps_take_back_is_undone():
    pts = np.array([0, 1, 3, 4, 5, 5, 6]) * 3003
    even = even_times(pts, np.full(7, 3003), heads([INTRA, *[PREDICTED] * 6]), 30)
    assert even.tolist() == [3003 * k for k in range(7)]


def test_a_gap_stays_unless_the_headers_count_every_frame():
    pts, durations = np.array([0, 1, 3, 4]) * 10, np.full(4, 10)
    kinds = [INTRA, PREDICTED, PREDICTED, PREDICTED]
    assert even_times(pts, durations, heads(kinds), 25).tolist() == pts.tolist()
    even = even_times(pts, durations, heads(kinds, (0, 0, 0, 0)), 25)
    assert even.tolist() == [0, 10, 20, 30]
    wide = np.array([0, 1, 9, 10]) * 10
    assert even_times(wide, durations, heads(kinds, (0, 0, 0, 0)), 25).tolist() == wide.tolist()


@pytest.mark.parametrize("gop", [1, 7])
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
def test_small_frames_of_an_mpg_are_at_their_times(studio: Studio, codec: str, gop: int):
    options = ("-c:v", codec, "-g", gop, "-muxrate", 2000000)
    film = studio.film(f"small-{gop}.mpg", *options, count=100, rate="30000/1001", size=(112, 96))
    assert numbers(decode(film)) == [int(k / 2 * 30000 / 1001 + 1e-3) for k in range(7)]
    raw = decode(film, decoder="ffmpeg")
    assert raw.notes[0].startswith("read by av instead of ffmpeg: time stamps in an mpg file")
    assert numbers(raw) == numbers(decode(film))


def test_a_large_mpg_is_not_read_from_its_start(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    options = ("-c:v", "mpeg1video", "-g", 10, "-q:v", 2)
    film = studio.film("large.mpg", *options, count=250, sound="sine=440:d=10")
    forget()
    kept = decode(film, 8.0, 9.5)
    monkeypatch.setattr(av_packets, "KEEP_BYTES", 0)
    forget()
    first_numbers: list[int] = []
    again = av_packets.PacketReader._again

    def watched(self: av_packets.PacketReader, stream: Any, first: int) -> object:
        for number, packet in again(self, stream, first):
            if stream.type == "video":
                first_numbers.append(number)
            yield number, packet

    seeks: list[object] = []
    from_place = av_packets.PacketReader._from_place

    def counted(self: av_packets.PacketReader, *arguments: object) -> object:
        numbered = from_place(self, *arguments)
        seeks.append(numbered)
        return numbered

    monkeypatch.setattr(av_packets.PacketReader, "_again", watched)
    monkeypatch.setattr(av_packets.PacketReader, "_from_place", counted)
    raw = decode(film, 8.0, 9.5)
    forget()
    assert seeks and None not in seeks
    assert min(first_numbers) > 0
    assert np.array_equal(raw.frames, kept.frames)
    assert np.array_equal(raw.waveform, kept.waveform)
