"""LNLN's losses: task, completeness, discriminator and reconstruction (Zhang et al., 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.core import MODALITIES, Task
from semanticmac.model.baselines.lnln import LNLNSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import full_precision, mean_where, wide
from semanticmac.train.objectives.misa import presence, reconstruction_loss
from semanticmac.train.objectives.task import TaskLoss, WithoutState, has_any_modality


class LNLNObjective(WithoutState):
    """L = task + α·completeness + β·adversarial + γ·recon.

    A term reads the clips that have its modalities. The discriminator tells language from its
    proxy, and its gradient is reversed in front of both.
    """

    def __init__(
        self, settings: LNLNSettings, config: TrainConfig, task: Task, truth: Tensor
    ) -> None:
        self.settings = settings
        self.task_loss = TaskLoss(config, task, truth)

    def loss(self, output: FusionOutput, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The terms `total`, `task`, `completeness`, `adversarial` and `recon`."""
        settings, states = self.settings, output.states
        predictions = output.predictions["multimodal"]
        present = presence(output)
        with full_precision(predictions):
            task = self.task_loss(predictions, targets, has_any_modality(output))
            error = (wide(states["completeness"]) - wide(states["kept"])).square()[:, 0]
            completeness = mean_where(error, torch.ones_like(present["text"]))
            adversarial = discriminator_loss(
                wide(states["language_logit"]),
                wide(states["proxy_logit"]),
                present["text"] & (present["audio"] | present["vision"]),
            )
            recon = task.new_zeros(())
            for m in MODALITIES:
                recon = recon + reconstruction_loss(
                    wide(states[f"reconstructed.{m}"]), wide(states[f"complete.{m}"]), present[m]
                )
            recon = recon / len(MODALITIES)
            total = task + settings.completeness_weight * completeness
            total = total + settings.adversarial_weight * adversarial
            total = total + settings.recon_weight * recon
        return {
            "total": total,
            "task": task,
            "completeness": completeness,
            "adversarial": adversarial,
            "recon": recon,
        }


def discriminator_loss(language: Tensor, proxy: Tensor, counted: Tensor) -> Tensor:
    """Binary cross-entropy of logits (B, 1), language 1 and proxy 0, over counted clips (B,)."""
    each = F.softplus(-language) + F.softplus(proxy)
    return mean_where(each[:, 0] / 2, counted)
