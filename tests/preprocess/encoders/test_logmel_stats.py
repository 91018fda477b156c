"""logmel-stats against loops, and on audio without content."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_encoders import clip_with

from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders import logmel_stats as stats
from semanticmac.preprocess.encoders.pitch import pitch_of
from semanticmac.preprocess.encoders.registry import open_encoder

ENCODER = stats.LogMelStats()


def tone(hertz: float, seconds: float = 2.0) -> np.ndarray:
    times = np.arange(round(seconds * 16_000)) / 16_000
    waves = [np.sin(2 * np.pi * hertz * times * n) / n for n in range(1, 6)]
    return (6000 * np.sum(waves, axis=0)).astype(np.int16)


def log_mel_by_loop(samples: np.ndarray) -> np.ndarray:
    frames = []
    for start in range(0, len(samples) - 400 + 1, 160):
        frame = samples[start : start + 400] - samples[start : start + 400].mean()
        power = np.abs(np.fft.fft(frame * np.hanning(400), 512)[:256]) ** 2
        frames.append([np.log(max(float(f @ power), 1e-5)) for f in stats.mel_filters()])
    return np.array(frames)


def test_mel_columns_equal_the_loop():
    raw = clip_with(seconds=2.6, audio=True)
    rows = ENCODER.encode(raw)
    frames = log_mel_by_loop(raw.waveform / 32_768)
    bins = stats.MEL_BINS
    for row in (0, 2, 5):
        centres = (np.arange(len(frames)) * 160 + 200) / 16_000
        window = frames[(centres >= row / 2 - 1) & (centres < row / 2 + 1)]
        change = np.abs(window[5:] - window[:-5]).mean(0)
        expected = np.concatenate([window.mean(0), window.std(0), change])
        np.testing.assert_allclose(rows[row, : 3 * bins], expected, rtol=2e-3, atol=2e-3)


def test_rows_and_width():
    rows = ENCODER.encode(clip_with(frames=4, seconds=2, audio=True))
    assert rows.shape == (4, stats.WIDTH) and rows.dtype == np.float16
    assert ENCODER.fingerprint(Sampling()).width == stats.WIDTH
    assert open_encoder("logmel-stats", "audio").name == "logmel-stats"


@pytest.mark.parametrize("hertz", [80, 123.4, 220, 400])
def test_pitch_of_a_tone(hertz):
    pitch = pitch_of(tone(hertz) / 32_768)
    assert pitch.voiced.all()
    np.testing.assert_allclose(100 * 2**pitch.octaves, hertz, rtol=0.02)


def test_noise_and_silence_are_unvoiced():
    assert pitch_of(clip_with(audio=True).waveform / 32_768).voiced.mean() < 0.05
    assert not pitch_of(np.zeros(16_000)).voiced.any()


@pytest.mark.parametrize("samples", [1, 100, 400, 1_600])
def test_short_audio(samples):
    rows = ENCODER.encode(RawClip(None, tone(200)[:samples], samples / 16_000))
    assert rows.shape == (1, stats.WIDTH) and np.isfinite(rows).all()


def test_silence_and_no_audio():
    silent = ENCODER.encode(RawClip(None, np.zeros(48_000, np.int16), 3.0))
    assert np.isfinite(silent).all() and (silent == silent[0]).all()
    assert ENCODER.encode(clip_with(frames=2)) is None
    assert ENCODER.encode(RawClip(clip_with(frames=2).frames, np.zeros(0, np.int16), 1.0)) is None


def test_the_start_of_a_clip_does_not_depend_on_its_end():
    voice = tone(150, 6.0)
    short, long = voice[:48_000], voice
    first = ENCODER.encode(RawClip(None, short, 3.0))[:3]
    np.testing.assert_array_equal(first, ENCODER.encode(RawClip(None, long, 6.0))[:3])
