"""Decoded audio → 16-bit mono samples with every sample at its time: gaps, overlaps, mixing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# At most this of a 16-bit sample is digital silence that passed a codec.
SILENT_LEVEL = 3
# The channels cancel where the mix keeps less than this part of their energy.
CANCELLED = 0.01


@dataclass(frozen=True)
class AudioRun:
    """Samples that follow one another without a gap, from one source format."""

    start: int  # of the first sample, in samples from the clip's start; may be negative
    samples: np.ndarray  # (n, 1) or (n, 2) int16


def assemble(runs: Iterable[AudioRun], limit: int) -> tuple[np.ndarray, bool]:
    """(n,) int16 from the clip's start, n ≤ limit, silence in gaps; whether channels cancelled.

    Of runs that overlap, the later one keeps what the earlier one has written.
    """
    placed = []
    position = 0
    cancelled = False
    for run in runs:
        mono, run_cancelled = mix(run.samples)
        cancelled = cancelled or run_cancelled
        skip = max(0, position - run.start)
        mono = mono[skip:]
        gap = run.start + skip - position
        if not len(mono) or position + gap >= limit:
            continue
        placed += [np.zeros(gap, np.int16), mono]
        position += gap + len(mono)
    if not placed:
        return np.zeros(0, np.int16), cancelled
    return np.concatenate(placed)[:limit], cancelled


def mix(samples: np.ndarray) -> tuple[np.ndarray, bool]:
    """(n, channels) int16 → (n,) int16: the mean, or the louder channel where the two cancel."""
    if samples.shape[1] == 1:
        return samples[:, 0], False
    mean = samples.mean(axis=1, dtype=np.float32)
    energies = np.square(samples, dtype=np.float32).sum(axis=0)
    cancelled = float(np.square(mean).sum()) < CANCELLED * float(energies.mean())
    if cancelled:
        return samples[:, int(energies.argmax())], True
    return np.rint(mean).astype(np.int16), False


def is_silent(samples: np.ndarray) -> bool:
    return not len(samples) or int(np.abs(samples.astype(np.int32)).max()) <= SILENT_LEVEL
