"""SGFI, semantic-centric gated feature interaction: specific and shared features (eq. 10-11)."""

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

    def forward(
        self, tokens: Tensor, groups: Tensor, source: Tensor, source_groups: Tensor
    ) -> Tensor:
        """Tokens (B, T, d), source (B, T_kv, d), groups (B, G, T) and (B, G, T_kv) → (B, T, d)."""
        for layer in self.layers:
            tokens = layer(tokens, groups, source, source_groups)
        return tokens


class SemanticInteraction(nn.Module):
    """SGFI: one specific and one shared stack, each used for every modality."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.specific = InteractionStack(config)
        self.shared = InteractionStack(config)

    def forward(self, tokens: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """M times X_m (B, T_m, d), mask (B, T_m), True = real → pooled s_m and h_m, both (B, M, d).

        S_m = SGFI_specific(X_m, X_m) (eq. 10); H_m = SGFI_shared(X_m, [X_n : n ≠ m]) (eq. 11); both
        are averaged over the real tokens of m and are zero where m has none.
        """
        # All modalities at once, as groups of one row of tokens: a third of the calls, and each
        # call is three times as large.
        x = torch.cat(list(tokens), dim=1)  # (B, Σ T_m, d)
        groups = []
        for m in range(len(masks)):
            groups.append(torch.cat([mask & (n == m) for n, mask in enumerate(masks)], dim=1))
        own = torch.stack(groups, dim=1)  # (B, M, Σ T_m): the real tokens of m
        others = own.any(1, keepdim=True) & ~own  # those of all n ≠ m
        specific = self.specific(x, own, x, own)  # (B, Σ T_m, d)
        shared = self.shared(x, own, x, others)  # (B, Σ T_m, d)
        return masked_mean(specific[:, None], own), masked_mean(shared[:, None], own)


class TextPath(nn.Module):
    """The specific stack of the text alone, for `separate_text` (eq. 10 with m = t)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.stack = InteractionStack(config)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """X_t (B, L, d) and its mask (B, L) → pooled s_t (B, d), zero where there is no text."""
        real = mask[:, None]  # (B, 1, L)
        specific = self.stack(tokens, real, tokens, real)
        return masked_mean(specific[:, None], real)[:, 0]


class PooledMaps(nn.Module):
    """The ablation without SGFI: s_m and h_m are two linear maps of the pooled X_m."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.specific = nn.Linear(config.d_model, config.d_model)
        self.shared = nn.Linear(config.d_model, config.d_model)

    def forward(self, tokens: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Shapes and masks as in `SemanticInteraction.forward`."""
        means, present = [], []
        for x, mask in zip(tokens, masks, strict=True):
            means.append(masked_mean(x, mask))
            present.append(mask.any(1))
        pooled = torch.stack(means, dim=1)  # (B, M, d)
        absent = ~torch.stack(present, dim=1)[..., None]  # (B, M, 1)
        specific = self.specific(pooled).masked_fill(absent, 0.0)
        shared = self.shared(pooled).masked_fill(absent, 0.0)
        return specific, shared
