"""HeadMixture: the multimodal prediction as a mixture of the heads, led by the text."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.core import MODALITIES, SUB_TASKS, Kind

MULTIMODAL, SHARED, TEXT = (SUB_TASKS.index(name) for name in ("multimodal", "shared", "text"))
FIRST_MODALITY = TEXT  # The heads of MODALITIES are the last three of SUB_TASKS.
# The pairs of modalities whose heads are compared: text-audio, text-vision, audio-vision.
PAIRS = ((0, 1), (0, 2), (1, 2))
KINDS: tuple[Kind, ...] = ("regression", "single-label", "multi-label", "binary")


class HeadMixture(nn.Module):
    """ŷ = ŷ_t + γ · Σ_h w_h (ŷ_h − ŷ_t), with weights and limits from validation clips.

    w_h ≥ 0 with Σ_h w_h = 1 over the five heads. γ = min over pairs of modalities of
    min(1, (limit / disagreement)²): where the heads of a clip disagree more than they did in
    validation, the prediction goes back to the text head. For classes each head is first calibrated
    by a factor of its logits. All of this is saved with the model.
    Before `set` the mixture is the multimodal head.
    """

    weights: Tensor  # (5,) in the order of SUB_TASKS
    limits: Tensor  # (3,) in the order of PAIRS
    scales: Tensor  # (5,) factors of the logits, 1 for a regression
    kind_number: Tensor  # position in KINDS; −1 before `set`

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kind_number", torch.tensor(-1))
        self.register_buffer("weights", torch.zeros(len(SUB_TASKS)))
        self.register_buffer("limits", torch.zeros(len(PAIRS)))
        self.register_buffer("scales", torch.ones(len(SUB_TASKS)))
        self.register_load_state_dict_pre_hook(_add_scales)  # type: ignore[no-untyped-call]
        self.reset()

    def reset(self) -> None:
        """Makes the mixture equal to the multimodal head."""
        self.weights.zero_()
        self.weights[MULTIMODAL] = 1.0
        self.limits.fill_(torch.inf)
        self.scales.fill_(1.0)
        self.kind_number.fill_(-1)

    @property
    def fitted(self) -> bool:
        return int(self.kind_number) >= 0

    @property
    def kind(self) -> Kind:
        return KINDS[int(self.kind_number)]

    def set(self, weights: Tensor, limits: Tensor, scales: Tensor, kind: Kind) -> None:
        """Takes fitted weights (5,), limits (3,) and scales (5,) for a task of this kind."""
        self.scales.copy_(scales)
        self.kind_number.fill_(KINDS.index(kind))
        self.weights.copy_(weights)
        self.limits.copy_(limits)

    def share_beyond_limits(self, predictions: Tensor, present: Tensor) -> float:
        """The share of clips in which two modalities disagree more than their limit."""
        heads = normalised(predictions, self.scales, self.kind)
        trust = agreement(heads, present, self.kind, self.limits.to(heads))
        return float((trust < 1).float().mean())

    def forward(self, predictions: Tensor, present: Tensor) -> Tensor:
        """predictions (B, 5, K), present (B, 3) bool in the order of MODALITIES → ŷ (B, K).

        The head of an absent modality has no weight; the leading head gets it. Where the text is
        absent the multimodal head leads.
        """
        if not self.fitted:
            return predictions[:, MULTIMODAL]
        kind = self.kind
        heads = normalised(predictions, self.scales, kind)
        shift = shifts(heads, present)  # (B, 5, K)
        moved = (self.weights.to(heads)[:, None] * shift).sum(1)  # (B, K)
        trust = agreement(heads, present, kind, self.limits.to(heads))  # (B,)
        return leading(heads, present) + trust[:, None] * moved


def _add_scales(mixture: nn.Module, tensors: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights that were saved without scales belong to heads that were not calibrated: 1."""
    tensors.setdefault(f"{prefix}scales", torch.ones(len(SUB_TASKS)))


def normalised(predictions: Tensor, scales: Tensor, kind: Kind) -> Tensor:
    """Outputs (B, 5, K) that can be averaged: calibrated by scales (5,); log-probabilities."""
    scaled = predictions * scales.to(predictions)[:, None]
    return F.log_softmax(scaled, dim=-1) if kind == "single-label" else scaled


def leading(heads: Tensor, present: Tensor) -> Tensor:
    """(B, 5, K) → (B, K): the text head, or the multimodal head where the text is absent."""
    return torch.where(present[:, :1], heads[:, TEXT], heads[:, MULTIMODAL])


def shifts(heads: Tensor, present: Tensor) -> Tensor:
    """ŷ_h − leading head (B, 5, K); 0 for the head of an absent modality."""
    anything = present.any(1, keepdim=True)
    usable = torch.cat([anything, anything, present], dim=1)  # (B, 5)
    moved = heads - leading(heads, present)[:, None]
    return moved.masked_fill(~usable[..., None], 0.0)


def agreement(heads: Tensor, present: Tensor, kind: Kind, limits: Tensor) -> Tensor:
    """γ (B,) in 0 … 1: 1 where no pair of modalities disagrees more than its limit (3,)."""
    distances = disagreements(heads, present, kind)  # (B, 3)
    ratio = limits / distances.clamp(min=torch.finfo(heads.dtype).tiny)
    return ratio.clamp(max=1.0).square().amin(1)


def disagreements(heads: Tensor, present: Tensor, kind: Kind) -> Tensor:
    """(B, 3) in the order of PAIRS: how far the heads of two modalities are apart.

    Regression: |ŷ_m − ŷ_n|. Classes: the total variation of the predicted distributions (for
    several labels their mean). 0 where a modality of the pair is absent.
    """
    values = heads[:, FIRST_MODALITY : FIRST_MODALITY + len(MODALITIES)]  # (B, 3, K)
    if kind == "single-label":
        values = values.exp() / 2
    elif kind != "regression":
        values = values.sigmoid() / values.shape[-1]
    columns = []
    for first, second in PAIRS:
        apart = (values[:, first] - values[:, second]).abs().sum(-1)
        columns.append(apart.masked_fill(~(present[:, first] & present[:, second]), 0.0))
    return torch.stack(columns, dim=1)
