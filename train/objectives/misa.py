"""MISA's losses: task, difference, similarity and reconstruction (Hazarika et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from semanticmac.core import MODALITIES, Task
from semanticmac.model.baselines.misa import MISASettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import full_precision, mean_where, wide
from semanticmac.train.objectives.task import TaskLoss, WithoutState, has_any_modality

PAIRS = (("text", "vision"), ("text", "audio"), ("audio", "vision"))
MOMENTS = 5
# Keeps a row without length finite.
EPSILON = 1e-6


class MISAObjective(WithoutState):
    """L = task + α·diff + β·sim + γ·recon. A term reads the clips that have its modalities."""

    def __init__(
        self, settings: MISASettings, config: TrainConfig, task: Task, truth: Tensor
    ) -> None:
        self.settings = settings
        self.task_loss = TaskLoss(config, task, truth)

    def loss(self, output: FusionOutput, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The terms `total`, `task`, `diff`, `sim` and `recon`."""
        settings, states = self.settings, output.states
        predictions = output.predictions["multimodal"]
        present = presence(output)
        with full_precision(predictions):
            task = self.task_loss(predictions, targets, has_any_modality(output))
            diff, sim, recon = task.new_zeros(()), task.new_zeros(()), task.new_zeros(())
            for m in MODALITIES:
                private, shared = wide(states[f"private.{m}"]), wide(states[f"shared.{m}"])
                diff = diff + difference_loss(private, shared, present[m])
                recon = recon + reconstruction_loss(
                    wide(states[f"reconstructed.{m}"]), wide(states[f"projected.{m}"]), present[m]
                )
            for first, second in PAIRS:
                both = present[first] & present[second]
                diff = diff + difference_loss(
                    wide(states[f"private.{first}"]), wide(states[f"private.{second}"]), both
                )
                sim = sim + central_moment_discrepancy(
                    wide(states[f"shared.{first}"]), wide(states[f"shared.{second}"]), both
                )
            sim, recon = sim / len(PAIRS), recon / len(MODALITIES)
            total = task + settings.diff_weight * diff
            total = total + settings.sim_weight * sim + settings.recon_weight * recon
        return {"total": total, "task": task, "diff": diff, "sim": sim, "recon": recon}


def presence(output: FusionOutput) -> dict[str, Tensor]:
    """Modality → (B,) bool: the clips that have it."""
    present = output.present
    if present is None:
        predictions = output.predictions["multimodal"]
        present = torch.ones(len(predictions), 3, dtype=torch.bool, device=predictions.device)
    return dict(zip(MODALITIES, present.unbind(1), strict=True))


def difference_loss(first: Tensor, second: Tensor, counted: Tensor) -> Tensor:
    """Mean of the squared entries of X̂ᵀŶ; first X and second Y (B, h), counted (B,) → scalar.

    Columns are centred over the counted rows; rows are divided by their norm, through which no
    gradient flows. Rows that are not counted take no part.
    """
    x, y = centred(first, counted), centred(second, counted)
    x = x / (x.norm(dim=1, keepdim=True).detach() + EPSILON)
    y = y / (y.norm(dim=1, keepdim=True).detach() + EPSILON)
    difference: Tensor = (x.mT @ y).square().mean()
    return difference


def central_moment_discrepancy(first: Tensor, second: Tensor, counted: Tensor) -> Tensor:
    """‖mean difference‖ + Σ_{k=2…5} ‖difference of the k-th central moments‖, of counted rows.

    first, second (B, h); counted (B,) → scalar. The gradient of a norm of 0 is 0.
    """
    discrepancy: Tensor = torch.linalg.vector_norm(
        row_mean(first, counted) - row_mean(second, counted)
    )
    x, y = centred(first, counted), centred(second, counted)
    for k in range(2, MOMENTS + 1):
        difference = row_mean(x**k, counted) - row_mean(y**k, counted)
        discrepancy = discrepancy + torch.linalg.vector_norm(difference)
    return discrepancy


def reconstruction_loss(reconstructed: Tensor, original: Tensor, counted: Tensor) -> Tensor:
    """Mean squared error of the counted rows; (B, h) twice, (B,) → scalar."""
    return mean_where((reconstructed - original).square().mean(1), counted)


def row_mean(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of the counted rows: (B, h), (B,) → (h,), zero where none is counted."""
    return values.masked_fill(~counted[:, None], 0.0).sum(0) / counted.sum().clamp(min=1)


def centred(values: Tensor, counted: Tensor) -> Tensor:
    """The counted rows minus their mean, the other rows zero: (B, h), (B,) → (B, h)."""
    return (values - row_mean(values, counted)).masked_fill(~counted[:, None], 0.0)
