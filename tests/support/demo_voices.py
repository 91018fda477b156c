"""Voices of random people."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from semanticmac.preprocess.demo.phones import babble
from semanticmac.preprocess.demo.voice import SAMPLE_RATE_HZ, random_voice, speak


def random_sound(rng: Generator, affect: float, seconds: float = 2.0) -> NDArray[np.int16]:
    """Meaningless words of a random voice with `affect` (−3 … 3): (N,) int16 at 16 kHz.

    N = round(seconds · 16000). The window is centred anywhere in the speech, so it may contain
    silence at its ends, like the first and last windows of a clip.
    """
    text = babble(int(rng.integers(8, 12)), rng)
    waveform = speak(text, random_voice(rng), affect, rng).waveform
    samples = round(seconds * SAMPLE_RATE_HZ)
    padded = np.pad(waveform, (samples // 2, samples))
    start = int(rng.integers(0, len(waveform)))
    return padded[start : start + samples]
