"""AdamW with two learning rates, and both of them as a function of the step."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

LANGUAGE, REST = "language", "rest"


def parameter_groups(
    model: nn.Module,
    language: nn.Module | None,
    lr_language: float,
    lr_rest: float,
    weight_decay: float,
) -> list[dict[str, object]]:
    """Four groups: language model and the rest (method.md §5), each with and without weight decay.

    Biases and norms are not decayed: to shrink them regularises nothing.
    """
    in_language: set[int] = set()
    if language is not None:
        in_language = {id(weight) for weight in language.parameters()}

    groups: list[dict[str, object]] = []
    for name, rate in ((LANGUAGE, lr_language), (REST, lr_rest)):
        matrices: list[nn.Parameter] = []
        vectors: list[nn.Parameter] = []
        for weight in model.parameters():
            if weight.requires_grad and (id(weight) in in_language) == (name == LANGUAGE):
                (matrices if weight.dim() >= 2 else vectors).append(weight)
        for weights, decay in ((matrices, weight_decay), (vectors, 0.0)):
            if weights:
                group = {"params": weights, "lr": rate, "weight_decay": decay, "name": name}
                groups.append(group)
    return groups


def make_optimizer(groups: list[dict[str, object]]) -> torch.optim.AdamW:
    """AdamW, fused: each weight and its moments are read once a step, on a CPU too."""
    return torch.optim.AdamW(groups, fused=True)


def rate_factor(
    step: int, warmup_steps: int, total_steps: int, schedule: Literal["constant", "cosine"]
) -> float:
    """The factor of both learning rates at step 0, 1, …: a linear warm-up, then the schedule.

    Cosine falls to 0 at `total_steps`. A run that is no longer than its warm-up only rises.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def set_rates(optimizer: torch.optim.AdamW, factor: float) -> dict[str, float]:
    """Sets each group's learning rate to its initial one times the factor.

    Returns the rates by name: `language` and `rest`.
    """
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
    return {group["name"]: group["lr"] for group in optimizer.param_groups}
