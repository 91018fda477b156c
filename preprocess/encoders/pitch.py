"""Pitch of speech by autocorrelation: 100 times a second, with the strength of its periodicity.

After Boersma, "Accurate short-term analysis of the fundamental frequency", 1993: the
autocorrelation of a windowed frame is divided by that of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from semanticmac.preprocess.encoders.rows import SAMPLE_RATE_HZ

FRAME_SAMPLES = 1_024  # 64 ms: almost four periods of the lowest pitch
SHIFT_SAMPLES = 160
FFT_SAMPLES = 2_048
LOWEST_HZ, HIGHEST_HZ = 60, 500
REFERENCE_HZ = 100.0
VOICED_FROM = 0.5  # strength of periodicity from which a frame counts as voiced
POWER_FLOOR = 1e-9
OCTAVE_COST = 0.05  # of strength, for each doubling of the period


@dataclass(frozen=True)
class Pitch:
    """Pitch of T frames; frame j has its centre at sample 512 + 160 j."""

    octaves: np.ndarray  # (T,) log2 of the frequency over 100 Hz
    strength: np.ndarray  # (T,) 0 noise or silence … 1 a perfectly periodic sound

    @property
    def voiced(self) -> np.ndarray:
        """(T,) bool."""
        found: np.ndarray = self.strength > VOICED_FROM
        return found


def pitch_of(samples: np.ndarray) -> Pitch:
    """samples (N,) floats, 16 kHz. Fewer than 1024 samples are one frame, filled with zeros."""
    if len(samples) < FRAME_SAMPLES:
        samples = np.pad(samples, (0, FRAME_SAMPLES - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::SHIFT_SAMPLES]
    centred = frames - frames.mean(axis=1, keepdims=True)
    correlation = _autocorrelation(centred * np.hanning(FRAME_SAMPLES))  # (T, lags)
    power = np.maximum(correlation[:, :1], POWER_FLOOR)
    normalised = correlation / power / _window_correlation()

    shortest, longest = SAMPLE_RATE_HZ // HIGHEST_HZ, SAMPLE_RATE_HZ // LOWEST_HZ
    candidates = np.arange(shortest, longest + 1)
    # A periodic sound has a peak at every multiple of its period: the shortest is its pitch.
    cost = OCTAVE_COST * np.log2(candidates / shortest)
    lags = (normalised[:, candidates] - cost).argmax(axis=1) + shortest
    strength = normalised[np.arange(len(lags)), lags].clip(0, 1)
    return Pitch(np.log2(SAMPLE_RATE_HZ / lags / REFERENCE_HZ), strength)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(frames, FFT_SAMPLES)
    correlation: np.ndarray = np.fft.irfft(np.abs(spectrum) ** 2, FFT_SAMPLES)
    return correlation[:, : SAMPLE_RATE_HZ // LOWEST_HZ + 1]


@cache
def _window_correlation() -> np.ndarray:
    correlation = _autocorrelation(np.hanning(FRAME_SAMPLES)[None])[0]
    shares: np.ndarray = correlation / correlation[0]
    return shares
