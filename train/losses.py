"""The sub-task losses (eq. 21) and the two contrastive losses (eq. 16-18), as plain functions.

All run in float32 (float64 stays), even inside autocast: exponentials of similarities overflow in
half precision. With nothing to average, a loss and its gradient are 0.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.core import Kind

RegressionLoss = Literal["l1", "mse"]


def task_loss(
    predictions: Tensor,
    targets: Tensor,
    weight: Tensor,
    kind: Kind,
    regression: RegressionLoss = "l1",
    class_weights: Tensor | None = None,
) -> Tensor:
    """The loss of each sub-task, (5,), in the order of SUB_TASKS; its sum is L_task (eq. 21).

    predictions and targets (B, 5, K); weight (B, 5) bool, True = this clip trains this sub-task. A
    target with NaN is not labelled and left out. Each loss is a mean over its clips, 0 where there
    are none. Kinds: see `clip_losses`.
    """
    counted = weight & ~targets.isnan().any(-1)  # (B, 5)
    with full_precision(predictions):
        # Unlabelled targets are replaced before the loss, not after: NaN times a gradient of zero
        # is NaN.
        safe = wide(targets).masked_fill(~counted[..., None], 0.0)
        losses = clip_losses(wide(predictions), safe, kind, regression, class_weights).masked_fill(
            ~counted, 0.0
        )
    return losses.sum(0) / counted.sum(0).clamp(min=1)


def clip_losses(
    predictions: Tensor,
    targets: Tensor,
    kind: Kind,
    regression: RegressionLoss = "l1",
    class_weights: Tensor | None = None,
) -> Tensor:
    """predictions and targets (…, K) → one loss a clip (…).

    regression: |ŷ − y| or (ŷ − y)²; single-label: cross-entropy −Σ_k y_k log softmax(ŷ)_k with soft
    targets; multi-label and binary: binary cross-entropy with soft targets, averaged over the K
    classes. class_weights (2, K), of a class's absence and presence, multiply the terms (1 − y_k)
    and y_k; none for regression.
    """
    if kind == "single-label":
        shares = targets if class_weights is None else class_weights[1].to(targets.dtype) * targets
        return -(shares * F.log_softmax(predictions, dim=-1)).sum(-1)
    if kind == "regression":
        error = predictions - targets
        return (error.abs() if regression == "l1" else error.square()).mean(-1)
    if class_weights is None:
        return F.binary_cross_entropy_with_logits(predictions, targets, reduction="none").mean(-1)
    absence, presence = class_weights.to(targets.dtype).unbind()  # (K,) each
    weighed = presence * targets * F.logsigmoid(predictions) + absence * (
        1 - targets
    ) * F.logsigmoid(-predictions)
    return -weighed.mean(-1)


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


def same_class(targets: Tensor, kind: Kind) -> Tensor:
    """Which clips of a batch are positives of each other (eq. 18): targets (B, K) → (B, B) bool.

    single-label and binary: the same class; multi-label: the label sets intersect; regression: both
    negative, both positive or both 0. An unlabelled clip (NaN) has no positives.
    """
    labelled = ~targets.isnan().any(1)
    known = labelled[:, None] & labelled[None, :]  # (B, B)
    if kind == "multi-label":
        sets = (targets > 0.5).float()
        return (sets @ sets.mT > 0) & known
    if kind == "single-label":
        group = targets.argmax(1)
    elif kind == "binary":
        group = (targets[:, 0] > 0.5).long()
    else:
        group = targets[:, 0].sign()
    return (group[:, None] == group[None, :]) & known


def balanced_weights(truth: Tensor, kind: Kind) -> Tensor:
    """Weights that balance the classes: truth y (N, K), NaN = unlabelled → (2, K).

    Row 0 is of a class's absence, row 1 of its presence: N / (2 · clips without it) and N / (2 ·
    clips with it) for binary and multi-label; for single-label row 1 is N / (C · clips with it), C
    the classes that occur. What no clip shows weighs 0: no pseudo label shows it either. Raises
    ValueError for regression, which has no classes.
    """
    if kind == "regression":
        raise ValueError(
            "class_weights=balanced needs classes, but the task is regression: "
            "use class_weights=none"
        )
    known = truth[~truth.isnan().any(1)]
    counts = torch.stack([(1 - known).sum(0), known.sum(0)])  # (2, K)
    sides = (counts[1] > 0).sum() if kind == "single-label" else 2
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
