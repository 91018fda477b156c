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

    Biases and norms are not decayed: shrinking them regularises nothing.
    """
    inner = (
        {id(parameter) for parameter in language.parameters()} if language is not None else set()
    )
    groups: list[dict[str, object]] = []
    for name, rate in ((LANGUAGE, lr_language), (REST, lr_rest)):
        mine = [
            p
            for p in model.parameters()
            if p.requires_grad and (id(p) in inner) == (name == LANGUAGE)
        ]
        matrices = [p for p in mine if p.dim() >= 2]
        vectors = [p for p in mine if p.dim() < 2]
        groups += [
            {"params": params, "lr": rate, "weight_decay": decay, "name": name}
            for params, decay in ((matrices, weight_decay), (vectors, 0.0))
            if params
        ]
    return groups


def optimizer(groups: list[dict[str, object]]) -> torch.optim.AdamW:
    """AdamW, fused: each weight and its moments are read once a step, on a CPU too."""
    return torch.optim.AdamW(groups, fused=True)


def rate_factor(
    step: int, warmup_steps: int, total_steps: int, schedule: Literal["constant", "cosine"]
) -> float:
    """What both learning rates are multiplied by at step 0, 1, …: a linear rise over the warm-up, then the schedule.

    Cosine falls to 0 at `total_steps`; a run no longer than its warm-up only rises.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def set_rates(adamw: torch.optim.AdamW, factor: float) -> dict[str, float]:
    """Each group's own learning rate times the factor; returns them by name: of the language model and of the rest."""
    for group in adamw.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
    return {group["name"]: group["lr"] for group in adamw.param_groups}
