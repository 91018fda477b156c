"""Fits the mixture of the heads on validation clips, with caution."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from semanticmac.core import SUB_TASKS, Task
from semanticmac.model.head_mixture import (
    MULTIMODAL,
    PAIRS,
    TEXT,
    HeadMixture,
    disagreements,
    leading,
    normalised,
    shifts,
)
from semanticmac.run.predictions import Predictions
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import RegressionLoss, clip_losses

# A head gets weight only if a step towards it lowers the loss by so many standard errors.
CAUTION = 1.0
STEP = 0.05  # grid of the weights
SCALES = tuple(0.1 * step for step in range(1, 16))  # grid of the factors of logits
# Share of the validation clips of which a pair of heads may disagree more than its limit.
BEYOND_LIMIT = 0.05


def fit_on(
    mixture: HeadMixture, predictions: Predictions, task: Task, config: TrainConfig
) -> Predictions:
    """Fits the mixture on validation predictions; returns them with the mixture's in place of ŷ_M.

    All processes of a training run have the same predictions, and so the same mixture.
    """
    outputs = torch.from_numpy(predictions.outputs)
    present = torch.from_numpy(predictions.present)
    truth = torch.from_numpy(predictions.truth)
    mixture.set(*fit_mixture(outputs, truth, present, task, config.regression_loss), task.kind)
    mixed = predictions.outputs.copy()
    mixed[:, MULTIMODAL] = mixture(outputs, present).numpy()
    return replace(predictions, outputs=mixed)


def fit_mixture(
    predictions: Tensor,
    truth: Tensor,
    present: Tensor,
    task: Task,
    regression: RegressionLoss = "l1",
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (N, 5, K), labels (N, K), present (N, 3) of validation → weights, limits, scales.

    The weights (5,) minimise mean loss + CAUTION · Σ_h w_h · e_h over w ≥ 0, Σ w = 1, with e_h the
    standard error of the loss's slope towards head h: a head that is not surely useful gets no
    weight, and all of it stays with the leading head. The limits (3,) are quantiles of the
    disagreement of two modalities. Clips without a label (NaN) are left out; without any label
    the multimodal head has all the weight.
    """
    labelled = ~truth.isnan().all(1) & present.any(1)
    predictions, truth, present = predictions[labelled], truth[labelled], present[labelled]
    scales = _scales(predictions, truth, task)
    heads = normalised(predictions, scales, task.kind)
    weights = torch.zeros(len(SUB_TASKS), dtype=predictions.dtype)
    limits = torch.full((len(PAIRS),), torch.inf, dtype=predictions.dtype)
    if len(heads) < 2:
        weights[MULTIMODAL] = 1.0
        return weights, limits, scales

    lead, shift = leading(heads, present), shifts(heads, present)

    def losses(weights: Tensor) -> Tensor:
        """(N,) of the mixture with these weights."""
        mixed = lead + (weights[:, None] * shift).sum(1)
        return clip_losses(mixed, truth, task, regression)

    weights[TEXT if present[:, 0].any() else MULTIMODAL] = 1.0
    corners = torch.eye(len(SUB_TASKS), dtype=predictions.dtype)
    at_lead = losses(weights)
    errors = []
    for corner in corners:
        slope = (losses(weights.lerp(corner, STEP)) - at_lead) / STEP
        errors.append(slope.std() / len(slope) ** 0.5)
    penalty = CAUTION * torch.stack(errors)

    best = _penalised(losses(weights), weights, penalty)
    improved = True
    while improved:
        improved = False
        for candidate in _moves(weights, corners):
            value = _penalised(losses(candidate), candidate, penalty)
            if value < best - 1e-6:
                best, weights, improved = value, candidate, True
    for number, column in enumerate(disagreements(heads, present, task.kind).unbind(1)):
        if column.any():
            limits[number] = column.quantile(1 - BEYOND_LIMIT)
    return weights, limits, scales


def _scales(predictions: Tensor, truth: Tensor, task: Task) -> Tensor:
    """(5,): for each head the factor of its logits with the least loss on these clips.

    Without it a head that knows nothing would get weight, only because it softens another one that
    is too sure. 1 for a regression, and for a head without finite outputs.
    """
    scales = torch.ones(predictions.shape[1], dtype=predictions.dtype)
    if task.kind == "regression" or not len(predictions):
        return scales
    for head in range(predictions.shape[1]):
        losses = []
        for scale in SCALES:
            losses.append(float(clip_losses(scale * predictions[:, head], truth, task).mean()))
        scales[head] = SCALES[min(range(len(SCALES)), key=losses.__getitem__)]
    return scales


def _penalised(losses: Tensor, weights: Tensor, penalty: Tensor) -> float:
    return float(losses.mean() + weights @ penalty)


def _moves(weights: Tensor, corners: Tensor) -> list[Tensor]:
    """The weights moved towards each corner, by each step of the grid."""
    shares = torch.arange(1, round(1 / STEP) + 1, dtype=weights.dtype) * STEP
    moves = []
    for corner in corners:
        moves += [weights.lerp(corner, float(share)) for share in shares]
    return moves
