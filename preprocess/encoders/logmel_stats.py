"""logmel-stats: statistics of the log-mel spectrogram, energy and pitch around each time.

There are no weights, so it works on real voices and its licence is that of this package. Frames are
computed once for a clip. A row is their statistics in the 2 s around its time; nothing is padded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from semanticmac.cache.keys import Fingerprint, Sampling, json_digest
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.identity import Identity
from semanticmac.preprocess.encoders.pitch import FRAME_SAMPLES as PITCH_FRAME_SAMPLES
from semanticmac.preprocess.encoders.pitch import VOICED_FROM, Pitch, pitch_of
from semanticmac.preprocess.encoders.protocol import require_content, row_count
from semanticmac.preprocess.encoders.rows import SAMPLE_RATE_HZ, to_float16, window_slices

VERSION = 1  # Raise it when the numbers change: clips are then encoded again.
FRAME_SAMPLES, SHIFT_SAMPLES, FFT_SAMPLES = 400, 160, 512  # 25 ms every 10 ms
MEL_BINS = 80
MEL_LOW_HZ, MEL_HIGH_HZ = 20.0, 8_000.0
# About the noise of 8 bits: the log of digital silence is −11.5 and not −∞.
POWER_FLOOR = 1e-5
# A difference is over 50 ms: the change from one sound of speech to the next.
DIFFERENCE_FRAMES = 5
QUANTILES = (0.1, 0.5, 0.9)
MEL_COLUMNS = 3 * MEL_BINS  # mean, deviation, difference of each bin
ENERGY_COLUMNS = 3 + len(QUANTILES)
PITCH_COLUMNS = 6 + len(QUANTILES)
WIDTH = MEL_COLUMNS + ENERGY_COLUMNS + PITCH_COLUMNS


@dataclass(frozen=True)
class _ClipFrames:
    """The frames of one clip, every 10 ms."""

    log_mel: np.ndarray  # (T, 80), centre of frame j at sample 200 + 160 j
    energy: np.ndarray  # (T,) log of the mean square
    pitch: Pitch  # (T′), centre of frame j at sample 512 + 160 j


class LogMelStats:
    """The statistics of one clip as an encoder of audio."""

    modality: FrameModality = "audio"
    name = "logmel-stats"
    device = torch.device("cpu")

    def __init__(self) -> None:
        digest = hashlib.sha256(f"logmel-stats {VERSION}".encode()).hexdigest()
        settings = [MEL_BINS, POWER_FLOOR, DIFFERENCE_FRAMES, QUANTILES, VOICED_FROM]
        self.identity = Identity(
            "audio", self.name, json_digest(settings), digest, WIDTH, self.name
        )

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.identity.width

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings that this encoder gives for clips with this sampling."""
        return self.identity.fingerprint(sampling)

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """(F, WIDTH) float16, row k of the 2 s around k/2 s; None for a clip without audio."""
        require_content(raw)
        if raw.waveform is None or not len(raw.waveform):
            return None
        rows = row_count(raw)
        frames = _clip_frames(raw.waveform.astype(np.float64) / 32_768)
        spectrum = window_slices(len(frames.energy), FRAME_SAMPLES // 2, SHIFT_SAMPLES, rows)
        voice = window_slices(
            len(frames.pitch.strength), PITCH_FRAME_SAMPLES // 2, SHIFT_SAMPLES, rows
        )
        embeddings = np.empty((rows, WIDTH))
        for row in range(rows):
            embeddings[row] = _statistics(frames, spectrum[row], voice[row])
        return to_float16(embeddings, "audio")


def open_by_hand(notice: Callable[[str], None]) -> LogMelStats:
    """The encoder; it has nothing to say."""
    return LogMelStats()


def _clip_frames(samples: np.ndarray) -> _ClipFrames:
    """samples (N,) in [−1, 1]. Fewer than 400 samples are one frame, filled with zeros."""
    pitch = pitch_of(samples)
    if len(samples) < FRAME_SAMPLES:
        samples = np.pad(samples, (0, FRAME_SAMPLES - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::SHIFT_SAMPLES]
    centred = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred * np.hanning(FRAME_SAMPLES), FFT_SAMPLES)
    power = (np.abs(spectrum) ** 2)[:, : FFT_SAMPLES // 2]
    log_mel = np.log(np.maximum(power @ mel_filters().T, POWER_FLOOR))
    mean_square = (centred**2).mean(axis=1)
    energy = np.log(np.maximum(mean_square, POWER_FLOOR / FRAME_SAMPLES))
    return _ClipFrames(log_mel, energy, pitch)


def _statistics(frames: _ClipFrames, spectrum: slice, voice: slice) -> np.ndarray:
    """One row: of each mel bin, of the energy, and of the pitch."""
    log_mel, energy = frames.log_mel[spectrum], frames.energy[spectrum]
    return np.concatenate(
        [
            log_mel.mean(axis=0),
            log_mel.std(axis=0),
            _change(log_mel),
            [energy.mean(), energy.std(), *_change(energy[:, None])],
            np.quantile(energy, QUANTILES),
            _pitch_statistics(frames.pitch, voice),
        ]
    )


def _pitch_statistics(pitch: Pitch, window: slice) -> np.ndarray:
    """Share of voiced frames; pitch: mean, deviation, change, quantiles; strength: mean, deviation.

    Zeros stand for the pitch of a window without a voiced frame.
    """
    voiced, strength = pitch.voiced[window], pitch.strength[window]
    octaves = pitch.octaves[window][voiced]
    if not len(octaves):
        octaves = np.zeros(1)
    change = np.abs(np.diff(octaves)).mean() if len(octaves) > 1 else 0.0
    return np.concatenate(
        [
            [voiced.mean(), octaves.mean(), octaves.std(), change],
            np.quantile(octaves, QUANTILES),
            [strength.mean(), strength.std()],
        ]
    )


def _change(values: np.ndarray) -> np.ndarray:
    """(T, D) → (D,) the mean absolute difference over 50 ms; zeros for a shorter window."""
    if len(values) <= DIFFERENCE_FRAMES:
        return np.zeros(values.shape[1])
    steps = np.abs(values[DIFFERENCE_FRAMES:] - values[:-DIFFERENCE_FRAMES])
    return np.asarray(steps.mean(axis=0))


@cache
def mel_filters() -> np.ndarray:
    """Mel filters over the bins of the FFT, (80, 256): triangles on 1127 · ln(1 + f / 700)."""
    bin_hz = np.arange(FFT_SAMPLES // 2) * SAMPLE_RATE_HZ / FFT_SAMPLES
    edges = np.linspace(_mel(MEL_LOW_HZ), _mel(MEL_HIGH_HZ), MEL_BINS + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (_mel(bin_hz) - left) / (centre - left)
    falling = (right - _mel(bin_hz)) / (right - centre)
    filters: np.ndarray = np.minimum(rising, falling).clip(min=0)
    return filters


def _mel(frequency_hz: np.ndarray | float) -> np.ndarray:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0))
