"""SemanticMAC's objective (eq. 20-22): five task losses, two contrastive losses, pseudo labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from semanticmac.core import SUB_TASKS, Task
from semanticmac.model.config import ModelConfig
from semanticmac.model.network import Output
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import (
    balanced_weights,
    inter_sample_loss,
    intra_sample_loss,
    same_class,
    task_loss,
)
from semanticmac.train.pseudo_labels import PseudoLabelConfig, PseudoLabels


@dataclass(frozen=True)
class Losses:
    """L and its parts; all are scalars except `sub_tasks`."""

    total: Tensor
    sub_tasks: Tensor  # (5,) in the order of SUB_TASKS
    intra: Tensor
    inter: Tensor

    def terms(self) -> dict[str, Tensor]:
        """Name → scalar: total, intra, inter, the five sub-tasks."""
        named = {"total": self.total, "intra": self.intra, "inter": self.inter}
        return named | dict(zip(SUB_TASKS, self.sub_tasks.unbind(), strict=True))


TEXT = SUB_TASKS.index("text")


class SemanticCentric:
    """The Objective of SemanticMAC. It remembers representations and pseudo labels of all clips."""

    def __init__(
        self, settings: ModelConfig, config: TrainConfig, task: Task, truth: Tensor
    ) -> None:
        self.config, self.task = config, task
        labels = PseudoLabelConfig(
            config.pseudo_labels,
            config.momentum,
            config.neighbours,
            config.start_epoch,
            config.label_kernel,
        )
        self.labels = PseudoLabels(truth, settings.d_model, labels)
        self.class_weights: Tensor | None = None
        if config.class_weights == "balanced":
            self.class_weights = balanced_weights(truth, task)

    def loss(self, output: Output, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """L and its parts; the pseudo labels of `rows` are the targets of the sub-tasks."""
        pseudo = self.labels.targets(rows)
        if self.config.text_target == "truth":
            pseudo[:, TEXT] = targets
        elif self.config.text_target == "both":
            pseudo[:, TEXT] = (pseudo[:, TEXT] + targets) / 2
        return objective(self.config, self.task, output, pseudo, self.class_weights).terms()

    def after_backward(self, output: Output, rows: Tensor) -> None:
        self.labels.record(rows, output.representations, output.present)

    def end_epoch(self, epoch: int) -> None:
        """Makes the pseudo labels of the next epoch."""
        self.labels.update(epoch + 1)

    def pseudo_labels(self) -> Tensor | None:
        return self.labels.labels if self.config.pseudo_labels else None

    def state_dict(self) -> dict[str, Tensor]:
        return self.labels.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.labels.load_state_dict(state)


def objective(
    config: TrainConfig,
    task: Task,
    output: Output,
    targets: Tensor,
    class_weights: Tensor | None = None,
) -> Losses:
    """L = L_task + α·L_intra + β·L_inter (eq. 22).

    targets (B, 5, K) in the order of SUB_TASKS, NaN = not labelled; class_weights
    (2, K) as in `losses.clip_losses`. A sub-task is trained on the clips that have its modality,
    the multimodal and the shared one on all clips with any modality.
    """
    anything = output.present.any(1, keepdim=True)  # (B, 1)
    weight = torch.cat([anything, anything, output.present], dim=1)  # (B, 5)
    if not config.multi_task:
        weight = weight & (torch.arange(5, device=weight.device) == 0)
    sub_tasks = task_loss(
        output.predictions, targets, weight, task, config.regression_loss, class_weights
    )
    intra = inter = sub_tasks.new_zeros(())
    if config.contrastive and config.intra:
        intra = intra_sample_loss(
            output.specific, output.shared, output.present, config.intra_temperature
        )
    if config.contrastive and config.inter:
        positives = same_class(targets[:, 0], task)
        inter = inter_sample_loss(output.fused, positives, anything[:, 0], config.inter_temperature)
    total = sub_tasks.sum() + config.intra_weight * intra + config.inter_weight * inter
    return Losses(total, sub_tasks, intra, inter)
