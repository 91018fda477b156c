"""TaskObjective: the task loss of the multimodal prediction, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from semanticmac.core import Task
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import (
    balanced_weights,
    ccc_losses,
    clip_losses,
    full_precision,
    mean_where,
    task_loss,
    wide,
)


class TaskLoss:
    """The task loss of one head, as the settings of the run ask: (B, K) and (B, K) → scalar."""

    def __init__(self, config: TrainConfig, task: Task, truth: Tensor) -> None:
        self.task, self.regression = task, config.regression_loss
        self.class_weights: Tensor | None = None
        if config.class_weights == "balanced":
            self.class_weights = balanced_weights(truth, task)

    def __call__(self, predictions: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
        """Mean over the counted (B,) clips that are labelled; 0, without gradient, if none is."""
        losses = task_loss(
            predictions[:, None],
            targets[:, None],
            counted[:, None],
            self.task,
            self.regression,
            self.class_weights,
        )
        return losses[0]

    def weighted(
        self, predictions: Tensor, targets: Tensor, counted: Tensor, weights: Tensor
    ) -> Tensor:
        """The same with a weight w (B,) ≥ 0 for each clip: the mean of w · loss over the clips.

        ccc: the mean of w times 1 − CCC, with w as the weights of its means.
        """
        counted = counted & ~targets.isnan().all(1)
        weights = weights.masked_fill(~counted, 0.0)
        with full_precision(predictions):
            predictions, targets = wide(predictions), wide(targets)
            if self.task.kind == "regression" and self.regression == "ccc":
                used = (counted[:, None] & ~targets.isnan())[:, None]
                losses = ccc_losses(predictions[:, None], targets[:, None], used, weights[:, None])
                return mean_where(weights, counted) * losses[0]
            safe = targets.masked_fill(~counted[:, None], 0.0)
            each = clip_losses(predictions, safe, self.task, self.regression, self.class_weights)
            return mean_where(weights * each, counted)


class WithoutState:
    """The part of an Objective that remembers nothing from batch to batch."""

    def after_backward(self, output: FusionOutput, rows: Tensor) -> None:
        pass

    def end_epoch(self, epoch: int) -> None:
        pass

    def pseudo_labels(self) -> Tensor | None:
        return None

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        pass


class TaskObjective(WithoutState):
    """L = task loss of ŷ_M over the clips that have any modality."""

    def __init__(self, settings: Any, config: TrainConfig, task: Task, truth: Tensor) -> None:
        self.task_loss = TaskLoss(config, task, truth)

    def loss(self, output: FusionOutput, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        predictions = output.predictions["multimodal"]
        total = self.task_loss(predictions, targets, has_any_modality(output))
        return {"total": total, "multimodal": total}


def has_any_modality(output: FusionOutput) -> Tensor:
    """(B,) bool: the clips of which the model reads at least one modality."""
    if output.present is None:
        predictions = output.predictions["multimodal"]
        return torch.ones(len(predictions), dtype=torch.bool, device=predictions.device)
    return output.present.any(1)
