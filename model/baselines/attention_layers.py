"""Multi-head attention of the published fusions, with masks, biases and dropout as they ask."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.model.attention import merge_heads, split_heads


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ/√d_h) V in h heads, with linear maps around it."""

    def __init__(
        self, width: int, heads: int, head_width: int, *, bias: bool, dropout: float = 0.0
    ) -> None:
        """bias: whether the maps of queries, keys and values have one; dropout: of the weights."""
        super().__init__()
        self.heads, self.dropout = heads, dropout
        inner = heads * head_width
        self.to_query = nn.Linear(width, inner, bias=bias)
        self.to_key = nn.Linear(width, inner, bias=bias)
        self.to_value = nn.Linear(width, inner, bias=bias)
        self.to_output = nn.Linear(inner, width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, may_attend: Tensor) -> Tensor:
        """queries (B, T_q, d), keys and values (B, T_kv, d) → (B, T_q, d).

        may_attend is broadcastable to (B, T_q, T_kv). A query without any key gets zero.
        """
        # A softmax over no key is NaN, and so is its gradient. Such a row attends to all keys,
        # then is set to zero.
        no_key = ~may_attend.any(-1, keepdim=True)
        attended = F.scaled_dot_product_attention(
            split_heads(self.to_query(queries), self.heads),
            split_heads(self.to_key(keys), self.heads),
            split_heads(self.to_value(values), self.heads),
            attn_mask=(may_attend | no_key)[:, None],
            dropout_p=self.dropout if self.training else 0.0,
        )
        result: Tensor = self.to_output(merge_heads(attended))
        return result.masked_fill(no_key, 0.0)
