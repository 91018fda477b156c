"""The records of one clip: what decoding yields, what encoding yields, and a short summary."""

from __future__ import annotations

import math
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

    A modality that the clip does not have is None, never zeros. Raises ValueError if both are None.
    """

    vision: np.ndarray | None  # (F, E) float16
    audio: np.ndarray | None  # (F, E) float16

    def __post_init__(self) -> None:
        if self.vision is None and self.audio is None:
            raise ValueError("embeddings of a clip need vision or audio, but both are None")


def frame_count(duration_s: float, frames_per_s: int) -> int:
    """F: the number of times k / frames_per_s before the end of a clip, at least 1."""
    return max(1, math.ceil((duration_s - TIE_S) * frames_per_s))
