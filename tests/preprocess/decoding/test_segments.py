"""Segments of one file share a reader, a header and a minute of audio, and stay independent."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.frame_codec import pack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding import (
    av_packets,
    av_reader,
    decord_reader,
    ffmpeg_probe,
    ffmpeg_reader,
    isolation,
)
from semanticmac.preprocess.decoding import decode as decode_module
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg

from .conftest import Studio, decode, numbers

RATE = 2  # pictures a second of the long film: its picture k is the one that shows at k/2 s
KINDS = {
    "long.mp4": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", 20, "-bf", 2),
    "long.mkv": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", 20, "-bf", 2),
    "long.ts": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", 20, "-bf", 2),
}
H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")
RISING = "aevalsrc='0.5*sin(2*PI*(50*t+t*t))':s=44100:d=125"  # from 50 to 300 Hz
WINDOWS = [
    (0.0, 3.0),
    (0.25, 4.0),
    (31.5, 33.0),
    (57.0, 63.0),
    (59.0, 66.0),
    (60.0, 62.5),
    (118.2, 121.0),
]


@pytest.fixture(scope="module", params=KINDS)
def film(request: pytest.FixtureRequest, studio: Studio) -> Path:
    """125 s of numbered frames, two a second, a key frame every 10 s; the audio never repeats."""
    return studio.film(
        request.param, *KINDS[request.param], count=250, rate=str(RATE), sound=RISING
    )


def forget() -> None:
    """As in a worker that has just started."""
    av_reader.forget()
    decord_reader.forget()
    ffmpeg_reader._header.cache_clear()
    ffmpeg_reader._minute.cache_clear()


def record(raw: RawClip) -> bytes:
    return pack(raw, Sampling())


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_a_segment_is_the_same_to_the_byte_whatever_was_read_before_it(film: Path, decoder: str):
    alone = {}
    for window in WINDOWS:
        forget()
        alone[window] = record(decode(film, *window, decoder))
    forget()
    dice = np.random.default_rng(0)
    for at in [*range(len(WINDOWS)), *dice.permutation(len(WINDOWS))]:
        assert record(decode(film, *WINDOWS[at], decoder)) == alone[WINDOWS[at]], WINDOWS[at]


def test_a_file_whose_packets_are_not_kept_is_read_the_same(
    film: Path, monkeypatch: pytest.MonkeyPatch
):
    forget()
    kept = [record(decode(film, *window)) for window in [(0.0, None), *WINDOWS]]
    monkeypatch.setattr(av_packets, "KEEP_BYTES", 0)
    forget()
    again = [record(decode(film, *window)) for window in [(0.0, None), *WINDOWS, *WINDOWS[::-1]]]
    assert again == kept + kept[:0:-1]
    forget()


@pytest.mark.parametrize(
    "name", ["once.avi", "once.mpg", "once.flv", "once.wmv", "once.webm", "once.mp3"]
)
def test_other_containers_whose_packets_are_not_kept(
    studio: Studio, talk: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    codec = {"flv": H264, "mpg": ("-r", 25), "avi": ("-c:a", "pcm_s16le"), "mp3": ("-vn",)}
    studio.run("-i", talk, *codec.get(name[5:], ()), "-g", 60, name)
    windows = [(0.0, None), (7.3, 9.1), (2.0, 3.0), (3.5, 5.0)]
    kept = [record(decode(studio.folder / name, *window)) for window in windows]
    monkeypatch.setattr(av_packets, "KEEP_BYTES", 0)
    forget()
    assert [record(decode(studio.folder / name, *window)) for window in windows] == kept
    forget()


@pytest.fixture(scope="module")
def whole(film: Path) -> RawClip:
    return decode(film)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_segment_shows_and_sounds_as_the_whole_file_does_there(
    film: Path, whole: RawClip, window: tuple[float, float]
):
    start_s, end_s = window
    raw = decode(film, *window)
    assert numbers(raw) == [int((start_s + 1e-6) * RATE) + k for k in range(len(raw.frames))]
    expected = whole.waveform.astype(int)[round(start_s * 16000) : round(end_s * 16000)]
    lag = 9 if film.suffix == ".mkv" else 1  # samples: a clock of milliseconds is no finer
    heard = raw.waveform.astype(int)[200:-200]  # a resampler begins and ends without neighbours
    errors = [
        np.abs(heard - expected[200 + at : len(expected) - 200 + at]).max()
        for at in range(-lag, lag + 1)
    ]
    assert min(errors) < 1000  # of 16384: half a sample is 2π · 300 Hz / 16 kHz / 2 of it


def test_segments_of_a_minute_are_read_at_once(film: Path, monkeypatch: pytest.MonkeyPatch):
    runs = []
    execute = ffmpeg.execute
    monkeypatch.setattr(
        ffmpeg, "execute", lambda words, *rest: [runs.append(words), execute(words, *rest)][1]
    )
    forget()
    for second in range(0, 56, 4):
        decode(film, float(second), second + 4.0, "ffmpeg")
    sounds = [words for words in runs if "s16le" in words]
    # Beside it the header, and in a ts the first frame.
    assert len(sounds) == 1 and len(runs) <= 3
    decode(film, 58.0, 65.5, "ffmpeg")  # ends too late for its minute
    decode(film, 60.5, 62.0, "ffmpeg")
    assert len([words for words in runs if "s16le" in words]) == 3


def test_where_the_minute_breaks_off_a_segment_is_read_by_itself(
    film: Path, monkeypatch: pytest.MonkeyPatch
):
    minute = ffmpeg_reader._minute
    for kept_s in (0, 21, 22):
        monkeypatch.setattr(
            ffmpeg_reader, "_minute", lambda *words, kept_s=kept_s: minute(*words)[: kept_s * 16000]
        )
        heard = decode(film, 20.0, 23.0, "ffmpeg").waveform
        assert heard.shape == (48000,) and np.abs(heard[-8000:].astype(int)).max() > 15000


def test_a_whole_file_starts_ffmpeg_once(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    coded = (
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
    )  # one GOP: no seek, so no need to know whether any is open
    films = [
        studio.film("once.mp4", *coded, sound="sine=440:d=2"),
        studio.film("once-silent.mp4", *coded),
    ]
    started = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *words, **more: [started.append(words), run(*words, **more)][1]
    )
    for film in films:
        started.clear()
        decode(film, decoder="decord")
        assert len(started) == 1
        decode(film)
        assert len(started) == 1


OTHERS = {
    "a.ts": (),
    "b.mpg": ("-r", 25),
    "c.avi": (),
    "d.mkv": (),
    "e.wav": ("-vn",),
    "f.mp3": ("-vn",),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_run_that_reads_the_sound_says_the_same_header(studio: Studio, talk: Path, name: str):
    studio.run(
        "-i",
        talk,
        *OTHERS[name],
        "-metadata",
        "title=Stream mapping:\n  Stream #0:7: Video: none",
        name,
    )
    film = studio.folder / name
    said = ffmpeg_reader.begin_whole(film, Sampling(), decode_module.STANDARD_LIMITS).stderr
    assert ffmpeg_probe.header(said) == ffmpeg_probe.probe(film)


def test_neighbours_in_workers_are_the_same_as_alone(film: Path):
    clips = [Clip(str(at), film, *window) for at, window in enumerate(WINDOWS)]
    clips.insert(3, Clip("beyond", film, 500.0, 501.0))
    outcomes = list(isolation.decode_all(clips, Sampling(), 2))
    assert [outcome.clip for outcome in outcomes] == clips
    for outcome in outcomes:
        if outcome.clip.clip_id == "beyond":
            assert outcome.record is None and "past the end of the file" in outcome.reason
        else:
            assert outcome.record == record(decode(film, outcome.clip.start_s, outcome.clip.end_s))
