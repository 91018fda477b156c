"""Costs by hand: a linear map, attention, an LSTM, a convolution."""

from __future__ import annotations

import torch
from torch import nn

from semanticmac.model.baselines.attention_layers import MultiHeadAttention
from semanticmac.model.baselines.sequences import RealSteps
from support.cost import multiply_adds, parameter_count
from support.fusions import WIDTHS, make_features, make_fusion


def test_counts_a_linear_map():
    layer = nn.Linear(7, 5)
    assert parameter_count(layer) == 7 * 5 + 5
    assert multiply_adds(lambda: layer(torch.randn(3, 7))) == 3 * 7 * 5


def test_counts_attention():
    """Four maps, then scores and sums over S keys for each of T queries."""
    width, heads, head_width, T, S = 8, 2, 3, 4, 6
    layer = MultiHeadAttention(width, heads, head_width, bias=True)
    inner = heads * head_width
    assert parameter_count(layer) == 4 * width * inner + 3 * inner + width
    may_attend = torch.ones(1, T, S, dtype=torch.bool)
    queries, source = torch.randn(2, T, width), torch.randn(2, S, width)
    expected = 2 * (2 * T * width * inner + 2 * S * width * inner + 2 * T * S * inner)
    assert multiply_adds(lambda: layer(queries, source, source, may_attend)) == expected


def test_counts_an_lstm_over_real_steps_alone():
    """Four gates, each a map of the input and of the state."""
    layer = RealSteps(5, 8)
    mask = torch.arange(4) < torch.tensor([[4], [2], [0]])
    tokens = torch.randn(3, 4, 5)
    steps = 4 + 2 + 1  # a clip without frames runs one step, and its state is not used
    assert multiply_adds(lambda: layer(tokens, mask)) == steps * 4 * 8 * (5 + 8)


def test_counts_a_convolution():
    layer = nn.Conv1d(5, 6, 3, bias=False)
    assert multiply_adds(lambda: layer(torch.randn(2, 5, 9))) == 2 * 7 * 6 * 5 * 3


def test_does_not_count_frozen_weights_and_counts_shared_ones_once():
    layer = nn.Linear(4, 4)
    assert parameter_count(nn.Sequential(layer, layer)) == 20
    assert parameter_count(layer.requires_grad_(False)) == 0


def test_the_cost_of_tfn_is_that_of_its_layers():
    """An LSTM, three small nets and three layers; the outer product itself is not counted."""
    fusion = make_fusion("tfn")
    features = make_features([3], [4], [6])
    lstm = 3 * 4 * 8 * (WIDTHS.text + 8) + 8 * 5
    nets = WIDTHS.audio * 4 + 2 * 16 + WIDTHS.vision * 6 + 2 * 36
    post = (5 * 7 * 6) * 9 + 9 * 9 + 9
    assert multiply_adds(lambda: fusion(features)) == lstm + nets + post
