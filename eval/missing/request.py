"""MissingRequest: protocols of missing data by name. This file loads no heavy library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RateProtocol = Literal["own", "same", "modalities", "steps", "block"]
Protocol = Literal[RateProtocol, "subsets"]
TextDrop = Literal["absent", "unk"]
SUBSETS = "subsets"
# Protocol → what it drops, and its name in the paper that compares all six.
PROTOCOLS: dict[Protocol, str] = {
    "own": "each modality has a rate of its own (RMFM)",
    "same": "words and frames, the same rate in all modalities (RMFM, same rates)",
    "modalities": "whole modalities, one always remains (RMM)",
    "steps": "the same time steps in all modalities (TMFM)",
    "block": "one block of time in all modalities (STMFM)",
    "subsets": "a fixed subset of the modalities in every clip (SMM)",
}
RATE_PROTOCOLS: tuple[RateProtocol, ...] = ("own", "same", "modalities", "steps", "block")
DRAWS = 5
RATES = tuple(round(0.1 * step, 1) for step in range(10))


@dataclass(frozen=True)
class MissingRequest:
    """What is dropped, and how often it is drawn."""

    protocol: Protocol
    text: TextDrop = "absent"
    draws: int = DRAWS
    seed: int = 0
    rates: tuple[float, ...] = RATES
