"""Semantic-centric gated feature interaction: what each modality says alone and what it shares (eq. 10-11)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from semanticmac.model.attention import GatedBridgeAttention, masked_mean
from semanticmac.model.config import ModelConfig


class InteractionStack(nn.Module):
    """`sgfi_layers` of gated bridge attention; every layer reads the same source."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GatedBridgeAttention(config) for _ in range(config.sgfi_layers))

    def forward(self, tokens: Tensor, mask: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """tokens (B, T, d), source (B, T_kv, d), masks (B, T), (B, T_kv), True = real → (B, T, d)."""
        for layer in self.layers:
            tokens = layer(tokens, mask, source, source_mask)
        return tokens


class SemanticInteraction(nn.Module):
    """SGFI: one specific and one shared stack, each used for every modality."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.specific = InteractionStack(config)
        self.shared = InteractionStack(config)

    def forward(self, tokens: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """X_m (B, T_m, d) and masks (B, T_m), True = real, one a modality → pooled s_m and h_m, each (B, M, d).

        S_m = SGFI_specific(X_m, X_m) (eq. 10); H_m = SGFI_shared(X_m, [X_n : n ≠ m]) (eq. 11); both are averaged over
        the real tokens of m and are zero where m has none.
        """
        specific, shared = [], []
        for m, (own, own_mask) in enumerate(zip(tokens, masks, strict=True)):
            others = torch.cat([x for n, x in enumerate(tokens) if n != m], dim=1)  # (B, Σ T_n, d)
            others_mask = torch.cat([mask for n, mask in enumerate(masks) if n != m], dim=1)
            specific.append(masked_mean(self.specific(own, own_mask, own, own_mask), own_mask))
            shared.append(masked_mean(self.shared(own, own_mask, others, others_mask), own_mask))
        return torch.stack(specific, dim=1), torch.stack(shared, dim=1)


class PooledMaps(nn.Module):
    """The ablation without SGFI: s_m and h_m are two linear maps of the pooled X_m, the same two for every modality."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.specific = nn.Linear(config.d_model, config.d_model)
        self.shared = nn.Linear(config.d_model, config.d_model)

    def forward(self, tokens: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Shapes and masks as in `SemanticInteraction.forward`."""
        pooled = torch.stack([masked_mean(x, mask) for x, mask in zip(tokens, masks, strict=True)], dim=1)  # (B, M, d)
        absent = ~torch.stack([mask.any(1) for mask in masks], dim=1)[..., None]  # (B, M, 1)
        return self.specific(pooled).masked_fill(absent, 0.0), self.shared(pooled).masked_fill(absent, 0.0)
