"""COGMEN equals a loop over the edges of one dialogue."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support import slow
from support.slow_dialogues import (
    SlowDialogue,
    assert_equals_the_loop,
    attention,
    joined,
    readable,
    relational,
    softmax,
)
from torch import Tensor


@pytest.mark.parametrize("both_directions", [False, True])
def test_equals_the_loop(both_directions: bool) -> None:
    assert_equals_the_loop("cogmen", slow_cogmen, both_directions)


def slow_cogmen(network: Any, dialogue: SlowDialogue, both_directions: bool) -> list[Tensor]:
    settings, length = network.settings, len(dialogue)
    x = joined(network.inputs, dialogue)
    for layer in network.layers:
        x = context_layer(layer, x, None if both_directions else 0)
    edges = []
    for i in range(length):
        edges.append(readable(i, length, settings.past, settings.next if both_directions else 0))
    equal = [dict.fromkeys(others, torch.tensor(1.0, dtype=torch.float64)) for others in edges]
    convolved = relational(network.relational, x, equal, dialogue.speakers, settings.speakers)
    x = [slow.linear(network.root, x[i]) + convolved[i] for i in range(length)]
    width = settings.graph_hidden
    predictions = []
    for i, others in enumerate(edges):
        parts = []
        for head in range(settings.graph_heads):
            part = slice(head * width, (head + 1) * width)
            query = network.query(x[i])[part]
            scores = [query @ network.key(x[j])[part] / math.sqrt(width) for j in others]
            values = [network.value(x[j])[part] for j in others]
            parts.append(sum(s * v for s, v in zip(softmax(scores), values, strict=True)))
        h = slow.layer_norm(network.norm, slow.linear(network.skip, x[i]) + torch.cat(parts))
        h = torch.where(h > 0, h, 0.01 * h)
        predictions.append(slow.linear(network.head, slow.linear(network.linear, h).relu()))
    return predictions


def context_layer(layer: Any, x: list[Tensor], future: int | None) -> list[Tensor]:
    out = []
    for i, vector in enumerate(x):
        sources = [x[j] for j in readable(i, len(x), None, future)]
        vector = slow.layer_norm(
            layer.first_norm, vector + attention(layer.attention, vector, sources)
        )
        inner = slow.linear(layer.inner, vector).relu()
        out.append(slow.layer_norm(layer.second_norm, vector + slow.linear(layer.outer, inner)))
    return out
