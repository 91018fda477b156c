"""The picture that was showing at k/2 s, whatever the container, codec and clock."""

import math
from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding import decord_reader, ffmpeg_probe, ffmpeg_reader
from semanticmac.preprocess.decoding.decode import decode_clip

from .conftest import Studio, decode, number_of, numbered, numbers

H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")
SOUND = "sine=440:d=2"
AT_25 = [0, 12, 25, 37]  # of 50 pictures, 25 a second, those that show at 0, 0.5, 1, 1.5 s

KINDS = {
    "h264.mp4": (*H264, "-bf", 0),
    "b-frames.mp4": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", 3, "-b_strategy", 0),
    "hevc.mp4": (
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=none",
    ),
    "h264.mkv": (*H264, "-bf", 2),
    "vp9.webm": (
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libvpx-vp9",
        "-deadline",
        "realtime",
        "-cpu-used",
        8,
    ),
    "av1.mp4": ("-pix_fmt", "yuv420p", "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", 8),
    "mpeg4.avi": ("-c:v", "mpeg4", "-bf", 0, "-q:v", 3, "-c:a", "pcm_s16le"),
    "b-frames.avi": ("-c:v", "mpeg4", "-bf", 2, "-q:v", 3, "-c:a", "pcm_s16le"),
    "wmv2.wmv": ("-c:v", "wmv2", "-q:v", 3),
    "flv1.flv": ("-c:v", "flv", "-q:v", 3),
    "h264.flv": (*H264, "-bf", 2),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-q:v", 3),
    "h264.ts": (*H264, "-bf", 2),
    "mpeg1.mpg": ("-c:v", "mpeg1video", "-q:v", 3, "-g", 10, "-muxrate", 2000000),
}


def without_decord(*_: object) -> None:
    raise AssertionError("this kind of file is not for decord")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_pictures_that_were_showing(studio: Studio, name: str):
    raw = decode(studio.film(name, *KINDS[name], "-shortest", sound=SOUND))
    assert numbers(raw) == AT_25
    assert raw.frames.shape == (4, 224, 336, 3) and raw.frames.dtype == np.uint8
    assert raw.duration_s == pytest.approx(2.0, abs=1e-3)
    assert raw.waveform.shape == (round(raw.duration_s * 16000),) and raw.waveform.dtype == np.int16
    assert raw.notes == ()


@pytest.mark.parametrize(
    "name", ["b-frames.avi", "wmv2.wmv", "h264.flv", "h264.ts", "mpeg1.mpg", "av1.mp4"]
)
def test_decord_is_not_asked_where_it_is_wrong(
    studio: Studio, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(decord_reader, "_read", without_decord)
    assert numbers(decode(studio.film(name, *KINDS[name]), decoder="decord")) == AT_25


@pytest.mark.parametrize("name", ["h264.mp4", "b-frames.mp4", "hevc.mp4", "h264.mkv", "vp9.webm"])
def test_both_decoders_give_the_same_clip(
    studio: Studio, name: str, monkeypatch: pytest.MonkeyPatch
):
    film = studio.film(name, *KINDS[name], sound=SOUND)
    slow = decode(film, decoder="ffmpeg")
    monkeypatch.setattr(
        ffmpeg_reader, "read_video", lambda *_: pytest.fail("decord should have read it")
    )
    fast = decode(film, decoder="decord")
    np.testing.assert_array_equal(fast.frames, slow.frames)
    np.testing.assert_array_equal(fast.waveform, slow.waveform)
    assert fast.duration_s == pytest.approx(slow.duration_s, abs=1e-4)


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_a_rate_that_never_meets_half_a_second(studio: Studio, decoder: str):
    film = studio.film("ntsc.mp4", *H264, rate="30000/1001", count=63)
    raw = decode(film, decoder=decoder)
    assert (
        numbers(raw) == [math.floor(k / 2 * 30000 / 1001) for k in range(5)] == [0, 14, 29, 44, 59]
    )
    assert raw.duration_s == pytest.approx(63 * 1001 / 30000, abs=1e-3)


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven-b.mp4", "uneven.mkv", "uneven.ts"])
@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_an_uneven_picture_rate(studio: Studio, name: str, decoder: str):
    starts = np.cumsum([0, 0.1, 0.1, 0.3, 0.04, 0.04, 0.42, 0.5, 0.04, 0.9, 0.02, 0.1])
    when = "+".join(f"eq(N,{number})*{start:.3f}" for number, start in enumerate(starts))
    clock = (
        "-vf",
        f"settb=1/90000,setpts='({when})/TB'",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1/90000",
    )
    film = studio.film(name, *clock, *H264, "-bf", 2 if "-b" in name else 0, count=len(starts))
    raw = decode(film, decoder=decoder)
    times = np.arange(len(raw.frames)) / 2
    assert numbers(raw) == [int(np.flatnonzero(starts <= time + 1e-4)[-1]) for time in times]
    assert len(raw.frames) == math.ceil(raw.duration_s * 2 - 1e-3)
    assert starts[-1] < raw.duration_s < starts[-1] + 1


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_a_cut_that_an_edit_list_hides_is_not_shown(studio: Studio, talk: Path, decoder: str):
    cut = studio.copy(talk, "cut.mp4", before=("-ss", 1.3))
    raw = decode(cut, decoder=decoder)
    first = number_of(raw.frames[0])
    assert first in (25, 26, 27)  # not 20, the key frame that the file really begins with
    assert numbers(raw) == [first + 10 * k for k in range(len(raw.frames))]


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_pictures_that_start_late_keep_their_place(studio: Studio, name: str, decoder: str):
    film = studio.film("prompt.mp4", *H264, sound=SOUND)
    late = studio.copy(
        film, name, "-map", "0:v", "-map", "1:a", before=("-itsoffset", 0.7, "-i", film)
    )
    raw = decode(late, decoder=decoder)
    assert numbers(raw) == [0, 0, 7, 20, 32, 45]
    assert raw.duration_s == pytest.approx(2.7, abs=2e-3)
    assert raw.notes[0] == "the first picture comes at 0.7 s and stands for the time before it"


def test_a_rotated_film_is_turned_upright(studio: Studio):
    film = studio.film("upright.mp4", *H264)
    turned = studio.copy(film, "turned.mp4", before=("-display_rotation", 90))
    raw = decode(turned)
    assert raw.frames.shape == (4, 336, 224, 3)
    assert [number_of(np.rot90(picture, -1)) for picture in raw.frames] == AT_25


def test_wide_pixels_are_shown_as_they_are_meant(studio: Studio):
    film = studio.film("wide.mp4", "-vf", "setsar=2", *H264)
    for decoder in ("av", "decord", "ffmpeg"):
        assert decode(film, decoder=decoder).frames.shape == (4, 224, 672, 3)


@pytest.mark.parametrize(
    ("size", "shape"), [((97, 65), (224, 334)), ((65, 99), (341, 224)), ((2, 2), (224, 224))]
)
def test_the_short_side_is_always_224(
    studio: Studio, size: tuple[int, int], shape: tuple[int, int]
):
    film = studio.film("odd.mp4", "-pix_fmt", "yuv444p", "-c:v", "libx264", size=size)
    assert decode(film).frames.shape == (4, *shape, 3)


def test_another_sampling(studio: Studio):
    film = studio.film("sampled.mp4", *H264)
    for decoder in ("av", "decord", "ffmpeg"):
        sampling = Sampling(frames_per_s=5, short_side_px=100, sample_rate_hz=8000)
        raw = decode_clip(Clip("clip", film), sampling, decoder=decoder)
        assert numbers(raw) == list(range(0, 50, 5)) and raw.frames.shape[1] == 100


@pytest.mark.parametrize("name", ["short.mp4", "short.avi"])
def test_a_clip_under_half_a_second_is_one_picture(studio: Studio, name: str):
    assert numbers(decode(studio.film(name, count=1))) == [0]
    raw = decode(studio.film(name, count=3))
    assert numbers(raw) == [0]
    assert "shorter than 0.5 s: one frame" in raw.notes and raw.duration_s == pytest.approx(
        0.12, abs=1e-3
    )


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
@pytest.mark.parametrize(
    "window", [(0.0, 2.0), (1.01, 3.3), (4.96, 7.0), (6.5, 6.7), (9.0, 10.2), (3.0, None)]
)
def test_a_segment_shows_the_same_as_the_whole(
    talk: Path, window: tuple[float, float | None], decoder: str
):
    start_s, end_s = window
    raw = decode(talk, start_s, end_s, decoder)
    stop_s = min(end_s or 10.0, 10.0)
    times = np.arange(start_s, stop_s - 1e-6, 0.5)
    assert numbers(raw) == [math.floor(time * 20 + 1e-6) for time in times]
    assert raw.duration_s == pytest.approx(stop_s - start_s, abs=1e-3)
    whole = decode(talk).waveform.astype(int)[round(start_s * 16000) :][: len(raw.waveform)]
    assert (
        np.abs(whole - raw.waveform).max() < 200
    )  # of 32767: the codec's and the resampler's run-in


@pytest.mark.parametrize("name", ["long.ts", "long.mpg", "long.avi", "long.flv", "long.wmv"])
def test_a_segment_of_a_container_without_index(studio: Studio, talk: Path, name: str):
    codec = {
        "ts": H264,
        "flv": H264,
        "mpg": ("-c:v", "mpeg1video", "-r", 25, "-q:v", 3),
        "avi": (
            "-q:v",
            3,
            "-c:a",
            "pcm_s16le",
        ),  # mp3 would make the muxer hold the first picture for two steps
    }
    options = codec.get(name[5:], ("-q:v", 3))
    studio.run("-i", talk, *options, "-g", 60, name)
    shown = numbers(decode(studio.folder / name, 7.3, 9.1))
    assert shown == pytest.approx([146, 156, 166, 176], abs=1 if name == "long.mpg" else 0)


OPEN = {
    "open.mp4": (
        "-c:v",
        "libx264",
        "-x264-params",
        "open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=3:b-adapt=0",
    ),
    "open.mkv": (
        "-c:v",
        "libx264",
        "-x264-params",
        "open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=3:b-adapt=0",
    ),
    "open-hevc.mp4": (
        "-c:v",
        "libx265",
        "-x265-params",
        "open-gop=1:keyint=20:bframes=3:b-adapt=0:log-level=none",
    ),
}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_pictures_around_a_key_frame_that_is_shown_after_those_that_follow_it(
    studio: Studio, name: str, decoder: str
):
    film = studio.film(
        name, "-pix_fmt", "yuv420p", "-preset", "fast", *OPEN[name], count=200, rate="20"
    )
    assert ffmpeg_probe.leading_pictures(film)
    assert numbers(decode(film, decoder=decoder)) == list(range(0, 200, 10))
    for first in range(14, 64, 3):
        start_s = first / 20
        assert numbers(decode(film, start_s, start_s + 1.2, decoder)) == [
            first,
            first + 10,
            first + 20,
        ]


def test_decord_reads_past_key_frames_where_no_picture_leads_them(
    talk: Path, monkeypatch: pytest.MonkeyPatch
):
    assert not ffmpeg_probe.leading_pictures(talk)
    monkeypatch.setattr(
        ffmpeg_reader, "read_video", lambda *_: pytest.fail("decord should have read it")
    )
    assert numbers(decode(talk, 3.9, 6.0, "decord")) == [78, 88, 98, 108, 118]


def test_a_picture_may_stand_for_long(studio: Studio):
    slow = studio.film("slides.mkv", *H264, rate="1/4", count=3)
    assert numbers(decode(slow, 5.0, 9.0)) == [1, 1, 1, 1, 1, 1, 2, 2]


def test_the_numbers_on_the_pictures_can_be_read():
    assert [number_of(numbered(number, 96, 64)) for number in range(256)] == list(range(256))
