"""DialogueGCN equals a loop over the edges of one dialogue."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import slow
from support.slow_dialogues import (
    SlowDialogue,
    assert_equals_the_loop,
    joined,
    matching_attention,
    readable,
    relational,
    softmax,
)
from torch import Tensor


@pytest.mark.parametrize("both_directions", [False, True])
def test_equals_the_loop(both_directions: bool) -> None:
    assert_equals_the_loop("dialogue-gcn", slow_dialogue_gcn, both_directions)


def slow_dialogue_gcn(network: Any, dialogue: SlowDialogue, both_directions: bool) -> list[Tensor]:
    settings, length = network.settings, len(dialogue)
    after = settings.next if both_directions else 0
    context = list(slow.lstm(network.context.rnn, torch.stack(joined(network.inputs, dialogue)))[0])
    weights = []
    for i in range(length):
        others = readable(i, length, settings.past, after)
        scores = [(network.edge_attention.weight @ context[i]) @ context[j] for j in others]
        weights.append(dict(zip(others, softmax(scores), strict=True)))
    convolved = relational(
        network.relational, context, weights, dialogue.speakers, settings.speakers
    )
    first = []
    for i in range(length):
        own = weights[i][i] * slow.linear(network.root, context[i])
        first.append((convolved[i] + own).relu())
    states = []
    for i in range(length):
        second = slow.linear(network.second_root, first[i])
        for j in weights[i]:
            second = second + slow.linear(network.neighbour, first[j])
        states.append(torch.cat([context[i], second.relu()]))
    read = matching_attention(network.attention.weight, states, None if both_directions else 0)
    return [slow.linear(network.head, slow.linear(network.linear, z).relu()) for z in read]
