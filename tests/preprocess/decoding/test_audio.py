"""The audio of a clip: its times and length, and clips without audio or frames."""

from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding.decode import decode_clip

from .conftest import Studio, decode, number_of

# silence, and a beep from 1.0 to 1.3 s
BEEP = "aevalsrc='if(between(t,1,1.3),sin(2*PI*1000*t),0)':s={rate}:d=3"
H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")
FLASH = "geq=lum='if(gte(N,25),235,16)':cb=128:cr=128"  # dark, and light from picture 25 (1.0 s) on


def beep_s(waveform: np.ndarray) -> float:
    """When the beep begins, in seconds."""
    return int(np.flatnonzero(np.abs(waveform.astype(int)) > 2000)[0]) / 16000


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("s.mp4", 44100),
        ("s.mkv", 48000),
        ("s.avi", 22050),
        ("s.wmv", 44100),
        ("s.mpg", 44100),
        ("s.ts", 48000),
        ("s.flv", 44100),
    ],
)
def test_flash_and_beep_come_together(studio: Studio, name: str, rate: int):
    # mp3 in avi makes the muxer hold the first picture
    codec = ("-c:a", "pcm_s16le") if name == "s.avi" else ()
    film = studio.film(name, "-vf", FLASH, "-g", 25, *codec, count=75, sound=BEEP.format(rate=rate))
    raw = decode(film)
    light = [picture.mean() > 128 for picture in raw.frames]
    assert light[:6] == [False, False, True, True, True, True]
    assert beep_s(raw.waveform) == pytest.approx(1.0, abs=0.02)
    part = decode(film, 0.8, 2.0)
    assert [picture.mean() > 128 for picture in part.frames] == [False, True, True]
    assert beep_s(part.waveform) == pytest.approx(0.2, abs=0.02)
    assert part.waveform.shape == (19200,)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts"])
def test_sound_that_starts_late_keeps_its_place(studio: Studio, name: str):
    film = studio.film("prompt.mp4", *H264, count=75, sound=BEEP.format(rate=48000))
    # Input 0 is the film half a second late, input 1 the same film in time.
    late = studio.copy(
        film, name, "-map", "1:v", "-map", "0:a", before=("-itsoffset", 0.5, "-i", film)
    )
    assert beep_s(decode(late).waveform) == pytest.approx(1.5, abs=0.02)
    assert beep_s(decode(late, 1.2, 2.2).waveform) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_the_longer_of_frames_and_sound_is_the_clip(studio: Studio, decoder: str):
    film = studio.film("longer.mp4", *H264, count=50, sound="sine=440:d=4")
    longer = decode(film, decoder=decoder)
    assert longer.duration_s == pytest.approx(4.0, abs=0.03)
    assert len(longer.waveform) == round(longer.duration_s * 16000)
    assert [number_of(picture) for picture in longer.frames[:8]] == [0, 12, 25, 37, 49, 49, 49, 49]
    assert longer.notes == ("the pictures end after 2.0 s of 4.0 s: the last one stays",)
    part = decode(film, 1.5, 3.5, decoder)
    assert [number_of(picture) for picture in part.frames] == [37, 49, 49, 49]
    assert part.waveform[-8000:].any()


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_by_the_old_rule_the_clip_ends_with_its_frames(studio: Studio, decoder: str):
    film = studio.film("longer-old.mp4", *H264, count=50, sound="sine=440:d=4")
    sampling = Sampling(length="pictures")
    raw = decode_clip(Clip("clip", film), sampling, decoder=decoder)
    assert raw.duration_s == pytest.approx(2.0) and raw.waveform.shape == (32000,)
    assert raw.notes == ()


def test_sound_that_is_a_little_longer_adds_no_frame(studio: Studio):
    raw = decode(studio.film("tail.mp4", *H264, count=50, sound="sine=440:d=2.4"))
    assert raw.duration_s == pytest.approx(2.0) and len(raw.frames) == 4


def test_sound_is_filled_to_the_length_of_the_frames(studio: Studio):
    shorter = decode(studio.film("shorter.mp4", *H264, count=75, sound="sine=440:d=1"))
    assert shorter.waveform.shape == (48000,) and not shorter.waveform[20000:].any()
    assert shorter.notes == ("the sound ends after 1.0 s of 3.0 s",)


def test_a_film_without_sound(studio: Studio):
    raw = decode(studio.film("silent.mp4", *H264))
    assert (
        raw.waveform is None and raw.notes == ("no audio track",) and number_of(raw.frames[1]) == 12
    )


@pytest.mark.parametrize("name", ["only.wav", "only.flac", "only.mp3", "only.m4a", "only.ogg"])
def test_sound_alone(studio: Studio, name: str):
    studio.run("-f", "lavfi", "-i", BEEP.format(rate=44100), name)
    raw = decode(studio.folder / name)
    assert raw.frames is None and raw.notes == ("no video track",)
    assert raw.duration_s == pytest.approx(3.0, abs=0.06) and raw.waveform.shape == (
        round(raw.duration_s * 16000),
    )
    assert beep_s(raw.waveform) == pytest.approx(1.0, abs=0.06)
    part = decode(studio.folder / name, 0.9, 2.9)
    assert part.waveform.shape == (32000,) and part.duration_s == 2.0
    assert beep_s(part.waveform) == pytest.approx(beep_s(raw.waveform) - 0.9, abs=0.005)


@pytest.mark.parametrize("name", ["cover.mp3", "cover.m4a"])
def test_cover_art_is_not_video(studio: Studio, name: str):
    studio.run("-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-frames:v", 1, "cover.png")
    art = ("-map", "0:a", "-map", "1:v", "-c:v", "png", "-disposition:v", "attached_pic")
    studio.run("-f", "lavfi", "-i", "sine=440:d=2", "-i", "cover.png", *art, name)
    raw = decode(studio.folder / name)
    assert (
        raw.frames is None
        and raw.notes == ("no video track",)
        and raw.duration_s == pytest.approx(2.0, abs=0.06)
    )


def test_stereo_becomes_the_mean_of_its_channels(studio: Studio):
    studio.run("-f", "lavfi", "-i", "aevalsrc='0.5|0.25':s=16000:d=1", "stereo.wav")
    for decoder in ("av", "ffmpeg"):
        heard = decode(studio.folder / "stereo.wav", decoder=decoder).waveform
        assert np.abs(heard - 0.375 * 32768).max() <= 2


@pytest.mark.parametrize("decoder", ["av", "ffmpeg"])
def test_channels_that_cancel_are_still_heard(studio: Studio, decoder: str):
    tone = "aevalsrc='0.5*sin(2*PI*440*t)|-0.5*sin(2*PI*440*t)':s=16000:d=1"
    studio.run("-f", "lavfi", "-i", tone, "antiphase.wav")
    raw = decode(studio.folder / "antiphase.wav", decoder=decoder)
    assert np.abs(raw.waveform.astype(int)).max() == pytest.approx(16384, abs=200)
    cancel = "the channels of the sound cancel in the mix: the louder one was taken"
    assert cancel in raw.notes


def test_digital_silence_is_named(studio: Studio):
    studio.run("-f", "lavfi", "-i", "anullsrc=r=16000:d=1", "-t", 1, "nothing.wav")
    assert "the sound is digital silence" in decode(studio.folder / "nothing.wav").notes


GRID = Path(__file__).parents[4] / "shared" / "data" / "grid"
RAVDESS = Path(__file__).parents[4] / "shared" / "data" / "ravdess"


@pytest.mark.skipif(
    not GRID.is_dir(), reason="the GRID sample (../shared/data/grid) is not on this machine"
)
def test_real_films_of_grid():
    films = sorted(GRID.glob("*.mpg"))
    assert len(films) == 6
    for film in films:
        raw = decode(film)
        assert raw.frames.shape == (6, 224, 280, 3) and raw.waveform.shape == (48000,)
        assert raw.duration_s == pytest.approx(3.0) and raw.notes == ()
        assert np.abs(raw.waveform.astype(int)).max() > 1000
        part = decode(film, 1.0, 2.0)
        np.testing.assert_array_equal(part.frames, raw.frames[2:4])


@pytest.mark.skipif(
    not RAVDESS.is_dir(),
    reason="the RAVDESS sample (../shared/data/ravdess) is not on this machine",
)
def test_real_sound_of_ravdess():
    for file in sorted(RAVDESS.glob("*.flac"))[:6]:
        raw = decode(file)
        assert raw.frames is None and raw.notes == ("no video track",)
        assert raw.waveform.shape == (round(raw.duration_s * 16000),) and 2 < raw.duration_s < 6
