"""How many parameters a network has."""

from __future__ import annotations

from torch import nn


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """(all parameters, those that are trained); a shared one counts once."""
    every = trained = 0
    for weight in model.parameters():
        every += weight.numel()
        if weight.requires_grad:
            trained += weight.numel()
    return every, trained
