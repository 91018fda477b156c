"""What stage 1 needs of an encoder, whichever network is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings, RawClip

if TYPE_CHECKING:
    import torch


class EncodeError(Exception):
    """One clip has no usable embedding; the message gives the reason."""


class Encoder(Protocol):
    """A frozen network that turns the frames and the audio of one clip into embeddings.

    The embeddings of a clip depend on that clip alone, bit for bit: they are the same whichever
    clips were encoded before it.
    """

    name: str
    device: torch.device

    @property
    def width(self) -> int:
        """Numbers in one embedding."""

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings of clips with this sampling. Other bits need another one."""

    def encode(self, raw: RawClip) -> Embeddings:
        """The embeddings of one clip; a missing modality stays None.

        Raises EncodeError where the clip cannot be encoded.
        """
