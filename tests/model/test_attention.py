"""Pooling and gated bridge attention against loops over clips, heads and tokens."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semanticmac.model import attention as module
from semanticmac.model.attention import (
    GatedBridgeAttention,
    adaptive_pool_weights,
    attend,
    masked_mean,
)
from semanticmac.model.config import ModelConfig


def exactly(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def attention_loop(layer: GatedBridgeAttention, queries: Tensor, source: Tensor) -> Tensor:
    """Equations 6 to 9 for one clip without padding, head by head and token by token.

    queries (T_q, d), source (T_kv, d).
    """
    d_h = queries.shape[1] // layer.heads
    q_all = layer.norm_query(queries) @ layer.to_query.weight.T
    k_all = layer.norm_source(source) @ layer.to_key.weight.T
    v_all = layer.norm_source(source) @ layer.to_value.weight.T
    heads = []
    for i in range(layer.heads):
        own = slice(i * d_h, (i + 1) * d_h)
        shared = own if layer.key_heads > 1 else slice(0, d_h)
        q, k, v = q_all[:, own], k_all[:, shared], v_all[:, shared]
        bridges = q
        if layer.bridge_tokens:
            bridges = F.adaptive_avg_pool1d(q.T[None], layer.bridge_tokens)[0].T  # (b, d_h)
        read = torch.stack(
            [
                sum((g @ k.T / math.sqrt(d_h)).softmax(0)[j] * v[j] for j in range(len(v)))
                for g in bridges
            ]
        )
        if layer.bridge_tokens:
            read = torch.stack([(t @ bridges.T / math.sqrt(d_h)).softmax(0) @ read for t in q])
        heads.append(read)
    attended = torch.cat(heads, dim=1)
    update = attended @ layer.to_output.weight.T
    if layer.to_gate is not None:
        update = torch.relu(attended @ layer.to_gate.weight.T) * update
    hidden = queries + update
    return hidden + layer.feed_forward(layer.norm_hidden(hidden))


@pytest.mark.parametrize("bridge_tokens", [0, 1, 4])
@pytest.mark.parametrize("multi_query", [True, False])
@pytest.mark.parametrize("gated_relu", [True, False])
def test_gated_bridge_attention_equals_the_loop(
    bridge_tokens: int, multi_query: bool, gated_relu: bool
) -> None:
    config = ModelConfig(
        d_model=12,
        heads=3,
        bridge_tokens=bridge_tokens,
        multi_query=multi_query,
        gated_relu=gated_relu,
    )
    layer = GatedBridgeAttention(config).double().eval()
    for norm in (layer.norm_query, layer.norm_source, layer.norm_hidden):
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    queries, source = (
        torch.randn(4, 7, 12, dtype=torch.float64),
        torch.randn(4, 5, 12, dtype=torch.float64),
    )
    query_mask, source_mask = (
        torch.rand(4, 7) < 0.6,
        torch.rand(4, 5) < 0.6,
    )  # holes, not only an end
    query_mask[0], source_mask[0] = (
        torch.arange(7) == 3,
        torch.arange(5) == 4,
    )  # fewer tokens than bridges
    query_mask[:, 0], source_mask[1:, 0] = True, True
    out = layer(queries, query_mask, source, source_mask)
    for clip in range(4):
        expected = attention_loop(
            layer, queries[clip, query_mask[clip]], source[clip, source_mask[clip]]
        )
        exactly(out[clip, query_mask[clip]], expected)


@pytest.mark.parametrize("bridge_tokens", [0, 4])
def test_groups_of_tokens_are_strangers_to_each_other(bridge_tokens: int) -> None:
    """Two groups in one call, a call each, and a third group without source tokens."""
    layer = (
        GatedBridgeAttention(ModelConfig(d_model=12, heads=3, bridge_tokens=bridge_tokens))
        .double()
        .eval()
    )
    queries, source = (
        torch.randn(4, 9, 12, dtype=torch.float64),
        torch.randn(4, 7, 12, dtype=torch.float64),
    )
    group = torch.randint(4, (4, 9))  # 3: padding
    groups = torch.stack([group == g for g in range(3)], dim=1)  # (B, G, T_q)
    source_groups = torch.rand(4, 3, 7) < 0.6  # a source token may be in several
    source_groups[:, 2] = False
    together = layer(queries, groups, source, source_groups)
    for g in range(3):
        alone = layer(queries, groups[:, g], source, source_groups[:, g])
        exactly(together[groups[:, g]], alone[groups[:, g]])


def test_without_source_tokens_the_attention_adds_nothing() -> None:
    layer = GatedBridgeAttention(ModelConfig(d_model=8, heads=2)).double().eval()
    queries, mask = (
        torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True),
        torch.ones(2, 3, dtype=torch.bool),
    )
    out = layer(
        queries,
        mask,
        torch.randn(2, 4, 8, dtype=torch.float64),
        torch.zeros(2, 4, dtype=torch.bool),
    )
    exactly(out, queries + layer.feed_forward(layer.norm_hidden(queries)))
    out.sum().backward()
    assert queries.grad is not None and queries.grad.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4),
    st.integers(min_value=1, max_value=12),
)
def test_adaptive_pooling_equals_torch_on_the_real_tokens(
    masks: list[list[bool]], bins: int
) -> None:
    mask = torch.tensor(masks)
    tokens = torch.randn(*mask.shape, 2, dtype=torch.float64)
    pooled = adaptive_pool_weights(mask, bins, torch.float64) @ tokens
    for clip, real in enumerate(mask):
        expected = torch.zeros(bins, 2, dtype=torch.float64)
        if real.any():
            expected = F.adaptive_avg_pool1d(tokens[clip, real].T[None], bins)[0].T
        exactly(pooled[clip], expected)


def test_masked_mean_equals_the_loop_and_is_zero_without_tokens() -> None:
    tokens = torch.randn(3, 5, 2, dtype=torch.float64)
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    tokens[~mask] = torch.nan
    mean = masked_mean(tokens, mask)
    exactly(mean[0], (tokens[0, 0] + tokens[0, 2] + tokens[0, 3]) / 3)
    exactly(mean[1:], torch.stack([tokens[1, 4], torch.zeros(2, dtype=torch.float64)]))


def test_attending_to_nothing_is_zero_with_a_finite_gradient() -> None:
    q, k = torch.randn(1, 2, 4, requires_grad=True), torch.randn(1, 3, 4, requires_grad=True)
    out = attend(q, k, k, torch.zeros(1, 1, 3, dtype=torch.bool))
    assert (out == 0).all()
    out.sum().backward()
    assert (k.grad == 0).all()
    assert (q.grad == 0).all()


def test_shares_of_a_pool_are_not_rounded_to_bfloat16() -> None:
    """A third has no exact value in half precision: bridge tokens of equal tokens stay equal."""
    config = ModelConfig(d_model=8, heads=2, bridge_tokens=1, dropout=0.0)
    attention = GatedBridgeAttention(config).eval()
    pooled: list[Tensor] = []
    split = module.split_heads

    def watched(tokens: Tensor, heads: int) -> Tensor:
        pooled.append(tokens)
        return split(tokens, heads)

    tokens = torch.randn(2, 1, 8).expand(2, 3, 8)
    real = torch.ones(2, 1, 3, dtype=torch.bool)
    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", torch.bfloat16):
        patch.setattr(module, "split_heads", watched)
        attention.bridge(tokens, real, tokens, real)
    queries, _, _, bridges = pooled
    assert bridges.dtype == torch.bfloat16
    assert bridges.equal(queries[:, :1])
