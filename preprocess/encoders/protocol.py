"""What stage 1 needs of an encoder, whichever network is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import RawClip, frame_count
from semanticmac.core import FrameModality

if TYPE_CHECKING:
    import numpy as np
    import torch


FRAMES_PER_S = 2
BF16 = "@bf16"  # Ends the name of an encoder that computes in bfloat16.


class EncodeError(Exception):
    """One clip has no usable embedding; the message gives the reason."""


class Encoder(Protocol):
    """A frozen encoder of one modality: one clip → its embeddings.

    The embeddings of a clip depend on that clip alone, bit for bit: they are the same whichever
    clips were encoded before it.
    """

    modality: FrameModality
    name: str  # "imagebind-huge", "clip-large", "wavlm-large@layer12"
    device: torch.device

    @property
    def width(self) -> int:
        """E, numbers in one embedding."""

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings of clips with this sampling. Other bits need another one."""

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """(F, E) float16 of one clip: row k belongs to the time k/2 s.

        None if the clip lacks the modality. F is the same for every encoder: the number of frames,
        or `frame_count` of the duration for a clip without frames. Raises EncodeError where the
        clip cannot be encoded.
        """


def require_content(raw: RawClip) -> None:
    """Raises EncodeError for a clip that has neither frames nor audio."""
    if raw.duration_s <= 0 or (raw.frames is None and raw.waveform is None):
        raise EncodeError(f"it has neither frames nor audio (it lasts {raw.duration_s} s)")


def row_count(raw: RawClip) -> int:
    """F, the rows of a clip's embeddings: its frames, or every k with k/2 s before its end."""
    if raw.frames is not None:
        return len(raw.frames)
    return frame_count(raw.duration_s, FRAMES_PER_S)
