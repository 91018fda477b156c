"""Voice activity: a waveform → the probability of speech in each 32 ms."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np

from semanticmac.preprocess.speech.spans import HOP_SAMPLES

Activity = Literal["auto", "silero", "energy"]

# The energy method. Levels are in decibels of full scale.
NOISE_WINDOW_HOPS = 940  # 30 s, over which the noise floor is estimated
NOISE_QUANTILE = 0.1
LOWEST_FLOOR_DB = -60.0  # digital silence is no noise floor
HALF_DB = 9.0  # above the floor: probability 0.5
SLOPE_DB = 2.0


class VoiceActivity(Protocol):
    """A method that tells speech from everything else."""

    name: str  # for the user: which method, which version

    def speech(self, waveform: np.ndarray) -> np.ndarray:
        """(N,) int16, 16 kHz mono → (ceil(N / 512),) float32 between 0 and 1."""


class ActivityError(Exception):
    """The method of voice activity cannot be used here; the message says what to install."""


def open_activity(method: Activity) -> VoiceActivity:
    """The method of that name; `auto` takes Silero where faster-whisper is installed.

    Raises ActivityError if `silero` is asked for and its package is absent.
    """
    installed = find_spec("faster_whisper") is not None
    if method == "energy" or (method == "auto" and not installed):
        return EnergyActivity()
    if not installed:
        raise ActivityError(
            "the Silero voice activity model comes with faster-whisper, which is not installed: "
            "run `pip install 'semanticmac[transcribe]'`, or give --activity energy"
        )
    return SileroActivity()


class EnergyActivity:
    """Speech is what is louder than the noise floor. It needs no package and no weights.

    Music and other loud sounds count as speech too.
    """

    name = "energy above the noise floor"

    def speech(self, waveform: np.ndarray) -> np.ndarray:
        levels_db = level_db(waveform)
        floor_db = np.maximum(_sliding_quantile(levels_db), LOWEST_FLOOR_DB)
        above_db = levels_db - floor_db
        speech: np.ndarray = 1 / (1 + np.exp((HALF_DB - above_db) / SLOPE_DB))
        return speech.astype(np.float32)


def level_db(waveform: np.ndarray) -> np.ndarray:
    """(N,) int16 → the level of each 32 ms in decibels of full scale; silence is −120."""
    hops = _in_hops(waveform) / 32768.0
    power = np.maximum(np.mean(hops**2, axis=1), 1e-12)
    levels: np.ndarray = 10 * np.log10(power)
    return levels


def _sliding_quantile(levels_db: np.ndarray) -> np.ndarray:
    """The tenth percentile of the 30 s around each value."""
    half = NOISE_WINDOW_HOPS // 2
    floor = np.empty_like(levels_db)
    # One estimate for each half second is enough: noise changes slowly.
    step = 16
    for start in range(0, len(levels_db), step):
        around = levels_db[max(0, start - half) : start + half]
        floor[start : start + step] = np.quantile(around, NOISE_QUANTILE)
    return floor


class SileroActivity:
    """The Silero model that faster-whisper carries. (MIT licence)."""

    def __init__(self) -> None:
        from importlib.metadata import version

        from faster_whisper.vad import get_vad_model

        self.name = f"Silero voice activity of faster-whisper {version('faster-whisper')}"
        self._model = get_vad_model()

    def speech(self, waveform: np.ndarray) -> np.ndarray:
        if not len(waveform):
            return np.zeros(0, np.float32)
        samples = (_in_hops(waveform) / 32768.0).astype(np.float32).reshape(-1)
        return np.asarray(self._model(samples), dtype=np.float32).reshape(-1)


def _in_hops(waveform: np.ndarray) -> np.ndarray:
    """(N,) → (ceil(N / 512), 512), with zeros after the end."""
    hops = -(-len(waveform) // HOP_SAMPLES)
    padded = np.zeros(hops * HOP_SAMPLES)
    padded[: len(waveform)] = waveform
    return padded.reshape(hops, HOP_SAMPLES)
