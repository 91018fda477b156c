"""The objective of a batch (eq. 20-22): five task losses and two contrastive losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from semanticmac.core import Kind
from semanticmac.model.network import Output
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import inter_sample_loss, intra_sample_loss, same_class, task_loss


@dataclass(frozen=True)
class Losses:
    """L and its parts; all are scalars except `sub_tasks`."""

    total: Tensor
    sub_tasks: Tensor  # (5,) in the order of SUB_TASKS
    intra: Tensor
    inter: Tensor

    def vector(self) -> Tensor:
        """(8,): total, intra, inter, the five sub-tasks.

        One vector, so that a step needs one transfer from the device.
        """
        return torch.cat(
            [torch.stack([self.total, self.intra, self.inter]), self.sub_tasks]
        ).detach()


def objective(
    config: TrainConfig,
    kind: Kind,
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
        output.predictions, targets, weight, kind, config.regression_loss, class_weights
    )
    intra = inter = sub_tasks.new_zeros(())
    if config.contrastive and config.intra:
        intra = intra_sample_loss(
            output.specific, output.shared, output.present, config.intra_temperature
        )
    if config.contrastive and config.inter:
        positives = same_class(targets[:, 0], kind)
        inter = inter_sample_loss(output.fused, positives, anything[:, 0], config.inter_temperature)
    total = sub_tasks.sum() + config.intra_weight * intra + config.inter_weight * inter
    return Losses(total, sub_tasks, intra, inter)
