"""What stage 1 needs of an encoder, whichever network is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

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


# Embeddings (F, E) float16 of a clip, None without the modality, or why it cannot be encoded.
ClipResult: TypeAlias = "np.ndarray | EncodeError | None"


def encode_each(encoder: Encoder, raws: Sequence[RawClip]) -> list[ClipResult]:
    """One clip after the other, with any encoder."""
    results: list[ClipResult] = []
    for raw in raws:
        try:
            results.append(encoder.encode(raw))
        except EncodeError as error:
            results.append(error)
    return results


def encode_clips(encoder: Encoder, raws: Sequence[RawClip]) -> list[ClipResult]:
    """Together where the encoder can do that and runs on a GPU, else one after the other.

    An encoder that can has a method `encode_clips(raws)` with the same result: that of `encode`
    for each clip, and the error in place of a failed one. Both agree up to the rounding of
    float16, and on a GPU its fingerprint is `batched`.
    """
    together = getattr(encoder, "encode_clips", None)
    if together is None or encoder.device.type != "cuda":
        return encode_each(encoder, raws)
    results: list[ClipResult] = together(raws)
    return results


def require_content(raw: RawClip) -> None:
    """Raises EncodeError for a clip that has neither frames nor audio."""
    if raw.duration_s <= 0 or (raw.frames is None and raw.waveform is None):
        raise EncodeError(f"it has neither frames nor audio (it lasts {raw.duration_s} s)")


def row_count(raw: RawClip) -> int:
    """F, the rows of a clip's embeddings: its frames, or every k with k/2 s before its end."""
    if raw.frames is not None:
        return len(raw.frames)
    return frame_count(raw.duration_s, FRAMES_PER_S)
