"""OutputUnits: the outputs of a head in the units of its scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from semanticmac.core import Task

# Half the width of a range whose scores a head predicts as they are: −3 … 3, as for sentiment.
USUAL_HALF_WIDTH = 3.0


class OutputUnits(nn.Module):
    """ŷ = centre + scale · output, for each of K scores.

    Outputs of a new network are near 0, and a step of the optimizer moves them by little. Without
    this map, a score from 0 to 100 would need thousands of steps to reach its middle.
    """

    centre: Tensor  # (K,)
    scale: Tensor  # (K,)

    def __init__(self, units: Sequence[str]) -> None:
        """units: `centre:scale` for each score, as in ModelConfig.output_units."""
        super().__init__()
        pairs = [unit.split(":") for unit in units]
        values = torch.tensor([[float(centre), float(scale)] for centre, scale in pairs])
        # Not saved with the weights: the configuration has them.
        self.register_buffer("centre", values[:, 0], persistent=False)
        self.register_buffer("scale", values[:, 1], persistent=False)

    def forward(self, outputs: Tensor) -> Tensor:
        """(…, K) → (…, K)."""
        return self.centre + self.scale * outputs


def open_units(units: Sequence[str]) -> nn.Module:
    """The map of these units; without any, outputs stay as they are."""
    return OutputUnits(units) if units else nn.Identity()


def units_of(task: Task) -> tuple[str, ...]:
    """The units of a task: neutral point and width of each range; empty where none is needed.

    Ranges within −3 … 3 that have both signs need none, and classes have logits.
    """
    units: list[str] = []
    for dimension in task.dimensions:
        half_width = (dimension.high - dimension.low) / 2
        scale = max(1.0, half_width / USUAL_HALF_WIDTH)
        units.append(f"{dimension.neutral!r}:{scale!r}")
    return () if all(unit == "0.0:1.0" for unit in units) else tuple(units)
