"""The records of one clip: what decoding yields, what encoding yields, and a short summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Clocks of 1/90000 s never hit k/2 s exactly: a time this near k/2 s counts as k/2 s.
TIE_S = 1e-4


@dataclass(frozen=True)
class RawClip:
    """One decoded clip. A modality that the file does not have is None, never zeros."""

    # (F, H, W, 3) uint8 RGB with a short side of 224: frame k shows at k/2 s, k = 0 … F − 1
    frames: np.ndarray | None
    # (N,) int16, 16 kHz mono, from the clip's start; N = round(duration_s · 16000)
    waveform: np.ndarray | None
    duration_s: float
    # remarks for the user on a clip that is cached all the same, such as "no audio track"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipSummary:
    """What a stored clip contains, without its frames and its waveform."""

    frames: int  # F, the number of rows of its embeddings
    duration_s: float
    has_vision: bool
    has_audio: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FrameWidths:
    """Numbers in one embedding of each modality."""

    vision: int
    audio: int


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of one clip. Row k belongs to the time k/2 s in both modalities.

    A modality that the clip does not have, or that has no stream, is None, never zeros.
    """

    vision: np.ndarray | None  # (F, E_v) float16
    audio: np.ndarray | None  # (F, E_a) float16


def concatenate(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The embeddings of one clip in several streams of one modality, side by side.

    parts: (F, E_i) each. None if there are none, or if one of them is None. Raises ValueError where
    F differs.
    """
    arrays = [part for part in parts if part is not None]
    if not arrays or len(arrays) < len(parts):
        return None
    if len(arrays) == 1:
        return arrays[0]
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"streams of {' and '.join(map(str, lengths))} rows cannot be concatenated: "
            "they were sampled at different rates"
        )
    return np.concatenate(arrays, axis=1)


def frame_count(duration_s: float, frames_per_s: int) -> int:
    """F: the number of times k / frames_per_s before the end of a clip, at least 1."""
    return max(1, math.ceil((duration_s - TIE_S) * frames_per_s))
