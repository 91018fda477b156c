"""The sub-task losses (eq. 21) and the two contrastive losses (eq. 16-18), as plain functions.

All run in float32 (float64 stays), even inside autocast: exponentials of similarities overflow in
half precision. With nothing to average, a loss and its gradient are 0.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.core import Task

RegressionLoss = Literal["l1", "mse", "ccc"]
# Targets of a batch that differ by less than this share of their size are constant.
CONSTANT_SHARE = 1e-6


def task_loss(
    predictions: Tensor,
    targets: Tensor,
    weight: Tensor,
    task: Task,
    regression: RegressionLoss = "l1",
    class_weights: Tensor | None = None,
) -> Tensor:
    """The loss of each sub-task, (5,), in the order of SUB_TASKS; its sum is L_task (eq. 21).

    predictions and targets (B, 5, K); weight (B, 5) bool, True = this clip trains this sub-task. A
    target of NaN is not labelled and left out. Each loss is a mean over its clips, 0 where there
    are none. Kinds: see `clip_losses`. With regression="ccc" it is `ccc_losses` over the batch.
    """
    annotated = ~targets.isnan()  # (B, 5, K)
    counted = weight & annotated.any(-1)  # (B, 5)
    with full_precision(predictions):
        if task.kind == "regression" and regression == "ccc":
            return ccc_losses(wide(predictions), wide(targets), counted[..., None] & annotated)
        # Unlabelled targets are replaced before the loss, not after: NaN times a gradient of zero
        # is NaN.
        safe = wide(targets).masked_fill(~counted[..., None], 0.0)
        losses = clip_losses(wide(predictions), safe, task, regression, class_weights).masked_fill(
            ~counted, 0.0
        )
    return losses.sum(0) / counted.sum(0).clamp(min=1)


def clip_losses(
    predictions: Tensor,
    targets: Tensor,
    task: Task,
    regression: RegressionLoss = "l1",
    class_weights: Tensor | None = None,
) -> Tensor:
    """predictions and targets (…, K) → one loss a clip (…).

    regression: |ŷ − y| or (ŷ − y)², averaged over the scores of the clip that are annotated (not
    NaN), each by its weight in `Task.loss_weights`; ccc has no value for one clip, so that |ŷ − y|
    stands in its place; single-label: cross-entropy −Σ_k y_k log softmax(ŷ)_k with soft
    targets; multi-label and binary: binary cross-entropy with soft targets, averaged over the K
    classes. class_weights (2, K), of a class's absence and presence, multiply the terms (1 − y_k)
    and y_k; none for regression.
    """
    if task.kind == "single-label":
        shares = targets if class_weights is None else class_weights[1].to(targets.dtype) * targets
        return -(shares * F.log_softmax(predictions, dim=-1)).sum(-1)
    if task.kind == "regression":
        annotated = ~targets.isnan()
        # Zero, with a gradient of zero, where a score is not annotated.
        error = predictions - torch.where(annotated, targets, predictions.detach())
        error = error.square() if regression == "mse" else error.abs()
        weighed = error * on_device(tuple(task.loss_weights), error.dtype, error.device)
        return weighed.sum(-1) / annotated.sum(-1).clamp(min=1)
    if class_weights is None:
        return F.binary_cross_entropy_with_logits(predictions, targets, reduction="none").mean(-1)
    absence, presence = class_weights.to(targets.dtype).unbind()  # (K,) each
    weighed = presence * targets * F.logsigmoid(predictions) + absence * (
        1 - targets
    ) * F.logsigmoid(-predictions)
    return -weighed.mean(-1)


def ccc_losses(
    predictions: Tensor, targets: Tensor, counted: Tensor, weights: Tensor | None = None
) -> Tensor:
    """1 − CCC over the batch, averaged over the scores: predictions and targets (B, S, K) → (S,).

    CCC = 2·cov(ŷ, y) / (var ŷ + var y + (mean ŷ − mean y)²) of one score over the clips that count,
    with sums divided by their number (Lin 1989, Biometrics 45). counted (B, S, K) bool; weights
    (B, S): weights of the clips in all of these means. A score is left out of the average where
    fewer than two clips count or their targets are equal, since its CCC has no gradient there;
    with no score left the loss and its gradient are 0.
    """
    share = counted.to(predictions.dtype)
    if weights is not None:
        share = share * weights.detach()[..., None]
    share = share / share.sum(0).clamp(min=torch.finfo(share.dtype).tiny)
    y = targets.masked_fill(~counted, 0.0)
    p = predictions.masked_fill(~counted, 0.0)
    mean_y, mean_p = (share * y).sum(0), (share * p).sum(0)  # (S, K)
    apart_y, apart_p = y - mean_y, p - mean_p
    covariance = (share * apart_y * apart_p).sum(0)
    variances = (share * apart_y.square()).sum(0) + (share * apart_p.square()).sum(0)
    spread = variances + (mean_p - mean_y).square()

    greatest = targets.masked_fill(~counted, -torch.inf).amax(0)
    least = targets.masked_fill(~counted, torch.inf).amin(0)
    size = y.abs().amax(0)
    usable = (counted.sum(0) > 1) & (greatest - least > CONSTANT_SHARE * size)  # (S, K)
    usable = usable & (spread > 0)
    # The denominator is replaced before the division: a masked NaN still has a gradient of NaN.
    losses = 1 - 2 * covariance / torch.where(usable, spread, torch.ones_like(spread))
    return losses.masked_fill(~usable, 0.0).sum(-1) / usable.sum(-1).clamp(min=1)


@cache
def on_device(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Constants, copied to the device once: a copy in each step would wait for a GPU."""
    with torch.inference_mode(False):  # A later step may need a gradient.
        return torch.tensor(numbers, dtype=dtype, device=device)


def intra_sample_loss(
    specific: Tensor, shared: Tensor, present: Tensor, temperature: float
) -> Tensor:
    """L_intra: in a clip, shared representations attract, specific ones repel (eq. 16-17).

    specific s_m and shared h_m (B, 3, d); present (B, 3), True = the clip has the modality →
    scalar. P = {(h_u, h_v) : u ≠ v}, Q = {(s_u, s_v) : u ≠ v} ∪ {(s_m, h_m)}, u and v ordered,
    present modalities only; L = −mean_i log(Σ_P e^{⟨·,·⟩/τ} / (Σ_P e^{⟨·,·⟩/τ} + Σ_Q e^{⟨·,·⟩/τ}))
    over clips with at least two modalities.
    """
    with full_precision(specific):
        s, h = F.normalize(wide(specific), dim=-1), F.normalize(wide(shared), dim=-1)
        positive = (h @ h.mT / temperature).flatten(1)  # (B, 9): all (u, v)
        apart = (s @ s.mT / temperature).flatten(1)  # (B, 9)
        own = (s * h).sum(-1) / temperature  # (B, 3): all (m, m)
        pairs = present[:, :, None] & present[:, None, :]  # (B, 3, 3)
        pairs = (pairs & ~torch.eye(3, dtype=torch.bool, device=pairs.device)).flatten(1)  # (B, 9)
        scores = torch.cat([positive, apart, own], dim=1)  # (B, 21)
        taking_part = torch.cat([pairs, pairs, present], dim=1)
        lowest = torch.finfo(scores.dtype).min  # not −∞: a row of −∞ has a NaN gradient
        attract = positive.masked_fill(~pairs, lowest).logsumexp(1)  # (B,)
        everything = scores.masked_fill(~taking_part, lowest).logsumexp(1)
        return mean_where(everything - attract, pairs.any(1))


def inter_sample_loss(
    fused: Tensor, positives: Tensor, present: Tensor, temperature: float
) -> Tensor:
    """L_inter: clips of one class attract each other, in the form of SupCon (eq. 18).

    fused z (B, d); positives (B, B) bool, True = same class, its diagonal ignored; present (B,)
    bool, False = the clip has no modality, and is left out → scalar.
    Mean over anchors i with a positive of −(1/|P(i)|) Σ_{p ∈ P(i)} log(e^{⟨z_i,z_p⟩/τ} / Σ_{a ≠ i}
    e^{⟨z_i,z_a⟩/τ}).
    """
    with full_precision(fused):
        z = F.normalize(wide(fused), dim=-1)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        pairs = present[:, None] & present & ~itself  # (B, B)
        scores = (z @ z.mT / temperature).masked_fill(~pairs, torch.finfo(z.dtype).min)
        log_share = scores.log_softmax(1)
        attracted = positives & pairs
        count = attracted.sum(1)  # (B,): |P(i)|
        per_anchor = -log_share.masked_fill(~attracted, 0.0).sum(1) / count.clamp(min=1)
        return mean_where(per_anchor, count > 0)


def same_class(targets: Tensor, task: Task) -> Tensor:
    """Which clips of a batch are positives of each other (eq. 18): targets (B, K) → (B, B) bool.

    single-label and binary: the same class; multi-label: the label sets intersect; regression: in
    every score that both clips have, both lie below, both above or both on its neutral point
    (`Dimension.neutral`, 0 for sentiment). An unlabelled clip (NaN) has no positives.
    """
    labelled = ~targets.isnan().all(1)
    known = labelled[:, None] & labelled[None, :]  # (B, B)
    if task.kind == "multi-label":
        sets = (targets > 0.5).float()
        return (sets @ sets.mT > 0) & known
    if task.kind == "regression":
        sides = sides_of_neutral(targets, task)  # (B, K)
        shared = ~sides.isnan()[:, None] & ~sides.isnan()[None, :]  # (B, B, K)
        equal = (sides[:, None] == sides[None, :]) | ~shared
        return equal.all(-1) & shared.any(-1)
    group = targets.argmax(1) if task.kind == "single-label" else (targets[:, 0] > 0.5).long()
    return (group[:, None] == group[None, :]) & known


def sides_of_neutral(scores: Tensor, task: Task) -> Tensor:
    """Scores (…, K) → −1, 0 or 1: below, on or above the neutral point; NaN stays NaN."""
    neutral = [dimension.neutral for dimension in task.dimensions]
    apart = scores - on_device(tuple(neutral), scores.dtype, scores.device)
    # The sign of NaN is 0 in torch.
    return apart.sign().masked_fill(apart.isnan(), torch.nan)


def balanced_weights(truth: Tensor, task: Task) -> Tensor:
    """Weights that balance the classes: truth y (N, K), NaN = unlabelled → (2, K).

    Row 0 is of a class's absence, row 1 of its presence: N / (2 · clips without it) and N / (2 ·
    clips with it) for binary and multi-label; for single-label row 1 is N / (C · clips with it), C
    the classes that occur. What no clip shows weighs 0: no pseudo label shows it either. Raises
    ValueError for regression, which has no classes.
    """
    if task.kind == "regression":
        raise ValueError(
            "class_weights=balanced needs classes, but the task is regression: "
            "use class_weights=none"
        )
    known = truth[~truth.isnan().any(1)]
    counts = torch.stack([(1 - known).sum(0), known.sum(0)])  # (2, K)
    sides = (counts[1] > 0).sum() if task.kind == "single-label" else 2
    return torch.where(counts > 0, len(known) / (sides * counts.clamp(min=1)), 0.0)


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of the counted values (B,) → scalar; 0, with a gradient of 0, where none is."""
    return values.masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)


def wide(values: Tensor) -> Tensor:
    """float32 of anything narrower."""
    return values if values.dtype == torch.float64 else values.float()


def full_precision(values: Tensor) -> torch.autocast:
    """A context without autocast on the device of the values."""
    return torch.autocast(values.device.type, enabled=False)
