"""Masked attention, masked pooling and gated bridge attention, the layer of SGFI (eq. 6-9)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.model.config import ModelConfig


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, softmax(Q Kᵀ/√d_h) V; zero for a query without any key.

    queries (…, T_q, d_h); keys and values (…, T_kv, d_h); mask broadcastable to (…, T_q, T_kv),
    True = may be attended to → (…, T_q, d_h).
    """
    if mask is None:
        return F.scaled_dot_product_attention(queries, keys, values)
    # A softmax over no key is NaN, and so is its gradient. Such a row attends to all keys, then is
    # set to zero.
    no_key = ~mask.any(-1, keepdim=True)
    attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask | no_key)
    return attended.masked_fill(no_key, 0.0)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """tokens (…, T, d); mask (…, T), True = real token → their mean (…, d), zero without any."""
    total = tokens.masked_fill(~mask[..., None], 0.0).sum(-2)
    return total / mask.sum(-1, keepdim=True).clamp(min=1)


def adaptive_pool_weights(mask: Tensor, bins: int, dtype: torch.dtype) -> Tensor:
    """Adaptive average pooling over the real tokens of each clip, as a matrix (eq. 7).

    mask (B, T), True = real token, in any pattern → weights (B, bins, T) in `dtype`, float32 or
    wider: a share such as 1/3 has no exact value in half precision. Each row sums to 1; it is zero
    for a clip without real tokens. Of n real tokens, counted without the padding between them, bin
    i averages tokens ⌊i·n/bins⌋ … ⌈(i+1)·n/bins⌉ − 1; with n < bins, tokens repeat.
    """
    rank = (mask.cumsum(1) - 1)[:, None, :]  # (B, 1, T): rank among the real tokens
    count = mask.sum(1)[:, None, None]  # (B, 1, 1)
    bin_index = torch.arange(bins, device=mask.device)[None, :, None]  # (1, bins, 1)
    start = bin_index * count // bins
    end = ((bin_index + 1) * count + bins - 1) // bins
    inside = (rank >= start) & (rank < end) & mask[:, None, :]  # (B, bins, T)
    return inside.to(dtype) / (end - start).clamp(min=1)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(B, T, heads·d_h) → (B, heads, T, d_h)."""
    return tokens.reshape(*tokens.shape[:-1], heads, -1).transpose(1, 2)


def merge_heads(tokens: Tensor) -> Tensor:
    """(B, heads, T, d_h) → (B, T, heads·d_h)."""
    return tokens.transpose(1, 2).flatten(2)


class FeedForward(nn.Sequential):
    """Two linear maps with a GELU between them: (…, width) → (…, width)."""

    def __init__(self, width: int, multiple: int, dropout: float) -> None:
        hidden = width * multiple
        super().__init__(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )


class GatedBridgeAttention(nn.Module):
    """GBA(X_q, X_kv): multi-query attention through bridge tokens, a gate, an FFN (eq. 6-9)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, self.heads, self.bridge_tokens = config.d_model, config.heads, config.bridge_tokens
        self.key_heads = 1 if config.multi_query else config.heads
        key_width = self.key_heads * (d // config.heads)
        self.norm_query = nn.LayerNorm(d)
        self.norm_source = nn.LayerNorm(d)
        self.norm_hidden = nn.LayerNorm(d)
        self.to_query = nn.Linear(d, d, bias=False)
        self.to_key = nn.Linear(d, key_width, bias=False)
        self.to_value = nn.Linear(d, key_width, bias=False)
        self.to_gate = nn.Linear(d, d, bias=False) if config.gated_relu else None
        self.to_output = nn.Linear(d, d, bias=False)
        self.feed_forward = FeedForward(d, config.feed_forward, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, queries: Tensor, query_mask: Tensor, source: Tensor, source_mask: Tensor
    ) -> Tensor:
        """Queries X_q (B, T_q, d), source X_kv (B, T_kv, d) → (B, T_q, d).

        query_mask (B, T_q), source_mask (B, T_kv), True = real token.
        O = concat(A_i), Y = X_q + ReLU(O W_g) ⊙ (O W_o), out = Y + FFN(LN(Y)) (eq. 9); without the
        gate Y = X_q + O W_o. With no real source token O is zero.

        Masks may have G groups, (B, G, T_q) and (B, G, T_kv); each query token is in one group at
        most. The result is that of one call per group: a query token attends to the source tokens
        of its group through the bridge tokens of its group.
        """
        if query_mask.dim() == 2:
            query_mask, source_mask = query_mask[:, None], source_mask[:, None]
        attended = self.bridge(
            self.norm_query(queries), query_mask, self.norm_source(source), source_mask
        )
        update = self.to_output(attended)
        if self.to_gate is not None:
            update = F.relu(self.to_gate(attended)) * update
        hidden = queries + self.dropout(update)
        out: Tensor = hidden + self.dropout(self.feed_forward(self.norm_hidden(hidden)))
        return out

    def bridge(
        self, queries: Tensor, groups: Tensor, source: Tensor, source_groups: Tensor
    ) -> Tensor:
        """Attention of normalised tokens → O (B, T_q, d); groups (B, G, T_q) and (B, G, T_kv).

        A_i = softmax(Q_i G_iᵀ/√d_h) · softmax(G_i Kᵀ/√d_h) · V with G_i = pool_b(Q_i) (eq. 7-8);
        bridge_tokens = 0: A_i = softmax(Q_i Kᵀ/√d_h) · V.
        """
        whole = self.to_query(queries)  # (B, T_q, d)
        q = split_heads(whole, self.heads)  # (B, h, T_q, d_h)
        # One key and one value for all heads (eq. 6): a view of the same memory, not h copies.
        k = split_heads(self.to_key(source), self.key_heads)
        v = split_heads(self.to_value(source), self.key_heads)
        k = k.expand(-1, self.heads, -1, -1)  # (B, h, T_kv, d_h)
        v = v.expand(-1, self.heads, -1, -1)
        if self.bridge_tokens == 0:
            may_attend = (groups[..., None] & source_groups[:, :, None]).any(1)  # (B, T_q, T_kv)
            return merge_heads(attend(q, k, v, may_attend[:, None]))
        wide = torch.promote_types(whole.dtype, torch.float32)
        # (B·G, b, T_q)
        pool = adaptive_pool_weights(groups.flatten(0, 1), self.bridge_tokens, wide)
        pool = pool.reshape(len(whole), -1, pool.shape[2])  # (B, G·b, T_q), group by group
        with torch.autocast(whole.device.type, enabled=False):
            pooled = pool @ whole.to(wide)
        bridges = split_heads(pooled.to(whole.dtype), self.heads)  # (B, h, G·b, d_h)
        # Bridge tokens of a group read its source tokens; its query tokens read them.
        source_mask = source_groups.repeat_interleave(self.bridge_tokens, dim=1)[:, None]
        query_mask = groups.repeat_interleave(self.bridge_tokens, dim=1)[:, None]
        values = attend(bridges, k, v, source_mask)  # (B, h, G·b, d_h)
        return merge_heads(attend(q, bridges, values, query_mask.mT))
