"""Synthetic voices: every line can be spoken, and the affect is audible."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.demo import correlation
from support.demo_voices import random_sound

from semanticmac.preprocess.demo.lines import LINES
from semanticmac.preprocess.demo.phones import pronounce
from semanticmac.preprocess.demo.voice import random_voice, speak


def test_every_line_can_be_spoken_in_a_few_seconds():
    for line in (line for level in LINES.values() for line in level):
        assert 1.0 < sum(phone.seconds for phone in pronounce(line)) < 5.5, line
    with pytest.raises(ValueError, match="nothing in '123' can be spoken"):
        speak("123", random_voice(np.random.default_rng(0)), 0.0, np.random.default_rng(0))


def spectral_statistics(waveform: np.ndarray) -> np.ndarray:
    """(16,): mean and spread of the log energy in seven bands over the loud moments, the share of
    loud moments, and the share of periodicity.
    """
    windows = np.lib.stride_tricks.sliding_window_view(waveform / 32768, 512)[::160] * np.hanning(
        512
    )
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 + 1e-9
    loud = power.sum(axis=1) > 0.1 * power.sum(axis=1).mean()
    bands = np.log([power[loud, low:high].mean(axis=1) for low, high in pairwise(EDGES)])
    echo = np.fft.irfft(power[loud], axis=1)
    periodic = (echo[:, 60:200].max(axis=1) / echo[:, 0]).mean()
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1), [loud.mean(), periodic]])


EDGES = (2, 8, 20, 40, 70, 110, 180, 256)  # bins of 31.25 Hz


def test_affect_is_audible_in_two_seconds_of_unknown_people():
    rng = np.random.default_rng(6)
    truth = rng.uniform(-3, 3, 300)
    features = np.array([spectral_statistics(random_sound(rng, affect)) for affect in truth])
    assert correlation(features, truth, 240) > 0.8
