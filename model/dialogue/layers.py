"""Layers that several models of dialogues share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.dialogue.dialogues import Dialogues
from semanticmac.model.features import Widths


class Inputs(nn.Module):
    """Each modality as x_m = W_m·LN(x_m) of a common width; zero where it is absent."""

    def __init__(self, widths: Widths, width: int, dropout: float) -> None:
        super().__init__()
        self.norms, self.maps = nn.ModuleDict(), nn.ModuleDict()
        for name in MODALITIES:
            of_modality: int = getattr(widths, name)
            self.norms[name] = nn.LayerNorm(of_modality)
            self.maps[name] = nn.Linear(of_modality, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, dialogues: Dialogues) -> dict[str, Tensor]:
        """Modality → (R, N, width)."""
        vectors = {}
        for name, (values, present) in dialogues.modalities().items():
            mapped = self.dropout(self.maps[name](self.norms[name](values)))
            vectors[name] = mapped.masked_fill(~present[..., None], 0.0)
        return vectors


class JoinedInputs(nn.Module):
    """u = [x_t; x_a; x_v] of each utterance: (R, N, 3·width)."""

    def __init__(self, widths: Widths, width: int, dropout: float) -> None:
        super().__init__()
        self.inputs = Inputs(widths, width, dropout)
        self.width = width * len(MODALITIES)

    def forward(self, dialogues: Dialogues) -> Tensor:
        return torch.cat(list(self.inputs(dialogues).values()), dim=2)


def may_read(mask: Tensor, past: int | None, future: int | None) -> Tensor:
    """Which utterance j an utterance i may read: real ones from i − past to i + future.

    mask (R, N); None: without a limit → (R, N, N) bool, i before j on the axes.
    """
    position = torch.arange(mask.shape[1], device=mask.device)
    distance = position[None] - position[:, None]  # (N, N): j − i
    near = torch.ones_like(distance, dtype=torch.bool)
    if past is not None:
        near = near & (distance >= -past)
    if future is not None:
        near = near & (distance <= future)
    return near & mask[:, None, :] & mask[:, :, None]


def softmax_over(scores: Tensor, allowed: Tensor) -> Tensor:
    """Softmax over the last axis of the allowed entries; zero for a row without any."""
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~allowed, lowest).softmax(-1)
    return weights.masked_fill(~allowed, 0.0)


def reversed_steps(values: Tensor, mask: Tensor) -> Tensor:
    """values (R, N, …), mask (R, N), real ones first: the real steps of each row in reverse."""
    position = torch.arange(mask.shape[1], device=mask.device)[None]
    last = mask.sum(1, keepdim=True) - 1
    index = torch.where(mask, last - position, position)  # (R, N)
    # Indexed by step: the backward pass of `gather` would sort every number of every step.
    row = torch.arange(len(values), device=values.device)[:, None]
    return values[row, index]
