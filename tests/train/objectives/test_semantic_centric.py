"""Equations 19 to 22: the objective is the sum of its parts.

Every switch of the ablation table removes its part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.tasks import task_of

from semanticmac.core import SUB_TASKS, Kind
from semanticmac.model.network import Output
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import clip_losses, inter_sample_loss, intra_sample_loss, same_class
from semanticmac.train.objectives.semantic_centric import objective

B, K, D = 6, 3, 5


def draw(kind: Kind) -> tuple[Output, torch.Tensor]:
    torch.manual_seed(0)
    width = 1 if kind in ("regression", "binary") else K
    present = torch.tensor(
        [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0], [1, 1, 1]]
    ).bool()
    numbers = [
        torch.randn(B, *shape, dtype=torch.float64) for shape in ((5, width), (3, D), (3, D), (D,))
    ]
    targets = torch.rand(B, 5, width, dtype=torch.float64)
    targets[5] = torch.nan  # not labelled
    return Output(*numbers, present), targets


def expected(
    config: TrainConfig, kind: Kind, output: Output, targets: torch.Tensor
) -> torch.Tensor:
    """Sub-task by sub-task and clip by clip."""
    total = torch.zeros((), dtype=torch.float64)
    for s in range(5 if config.multi_task else 1):
        trained = [
            i for i in range(5) if (output.present[i].any() if s < 2 else output.present[i, s - 2])
        ]  # clip 5 has no label
        total += sum(
            clip_losses(output.predictions[i, s], targets[i, s], task_of(kind, K)) for i in trained
        ) / len(trained)
    if config.contrastive and config.intra:
        total += config.intra_weight * intra_sample_loss(
            output.specific, output.shared, output.present, config.intra_temperature
        )
    if config.contrastive and config.inter:
        total += config.inter_weight * inter_sample_loss(
            output.fused,
            same_class(targets[:, 0], task_of(kind, K)),
            output.present.any(1),
            config.inter_temperature,
        )
    return total


@pytest.mark.parametrize("kind", ["regression", "single-label", "multi-label", "binary"])
@pytest.mark.parametrize(
    "switches",
    [{}, {"multi_task": False}, {"intra": False}, {"inter": False}, {"contrastive": False}],
    ids=str,
)
def test_the_objective_is_the_weighted_sum_of_its_parts(
    kind: Kind, switches: dict[str, Any]
) -> None:
    config = replace(
        TrainConfig("x", intra_weight=0.3, inter_weight=0.7, inter_temperature=0.5), **switches
    )
    output, targets = draw(kind)
    losses = objective(config, task_of(kind, K), output, targets)
    torch.testing.assert_close(
        losses.total, expected(config, kind, output, targets), rtol=1e-9, atol=1e-9
    )
    terms = losses.terms()
    assert list(terms) == ["total", "intra", "inter", *SUB_TASKS]
    assert terms["total"] == losses.total
