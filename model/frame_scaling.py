"""FrameScaling: frame embeddings on one scale, whatever encoder they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.core import FRAME_MODALITIES

Scaling = Literal["none", "standard", "unit"]


class FrameScaling(nn.Module):
    """x → (x − mean) · factor, for each number of a frame.

    mean and factor come from the frames of the train clips and are saved with the model. Before
    `set` nothing changes.
    """

    def __init__(self, scaling: Scaling, widths: Mapping[str, int]) -> None:
        """widths: E of each modality that the model reads, of FRAME_MODALITIES."""
        super().__init__()
        self.scaling = scaling
        self.modalities = tuple(widths)
        for modality, width in widths.items():
            self.register_buffer(f"{modality}_mean", torch.zeros(width))
            self.register_buffer(f"{modality}_factor", torch.ones(width))

    def set(self, modality: str, mean: Tensor, deviation: Tensor) -> None:
        """mean and deviation (E,) of the train frames; a deviation of 0 counts as 1.

        `standard`: factor = 1/deviation. `unit`: 1/(deviation · √E), so that the squared length of
        a train frame is 1 on average.
        """
        factor = 1 / torch.where(deviation > 0, deviation, 1.0)
        if self.scaling == "unit":
            factor = factor / math.sqrt(len(factor))
        getattr(self, f"{modality}_mean").copy_(mean)
        getattr(self, f"{modality}_factor").copy_(factor)

    def forward(self, modality: str, frames: Tensor) -> Tensor:
        """Frames of one modality (B, F, E) → (B, F, E). Padding is no longer zero afterwards."""
        if modality not in self.modalities:
            return frames
        mean: Tensor = getattr(self, f"{modality}_mean")
        factor: Tensor = getattr(self, f"{modality}_factor")
        return (frames - mean) * factor


def open_scaling(
    scaling: Scaling, modalities: tuple[str, ...], widths: Mapping[str, int]
) -> FrameScaling | None:
    """The scaling of a model that reads these modalities; None = embeddings as they are cached."""
    if scaling == "none":
        return None
    read: dict[str, int] = {}
    for name in FRAME_MODALITIES:
        if name in modalities:
            read[name] = widths[name]
    return FrameScaling(scaling, read)
