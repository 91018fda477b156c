"""DialogueRNN equals a loop over the utterances of one dialogue."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import slow
from support.slow_dialogues import (
    SlowDialogue,
    assert_equals_the_loop,
    gru,
    joined,
    matching_attention,
    softmax,
)
from torch import Tensor


@pytest.mark.parametrize("both_directions", [False, True])
def test_equals_the_loop(both_directions: bool) -> None:
    assert_equals_the_loop("dialogue-rnn", slow_dialogue_rnn, both_directions)


def slow_dialogue_rnn(network: Any, dialogue: SlowDialogue, both_directions: bool) -> list[Tensor]:
    utterances = joined(network.inputs, dialogue)
    emotions = run(network.forward_cells, utterances, dialogue.speakers)
    if both_directions:
        backward = run(network.backward_cells, utterances[::-1], dialogue.speakers[::-1])[::-1]
        emotions = [torch.cat(pair) for pair in zip(emotions, backward, strict=True)]
    read = matching_attention(network.attention.weight, emotions, None if both_directions else 0)
    return [slow.linear(network.head, slow.linear(network.linear, e).relu()) for e in read]


def run(cells: Any, utterances: list[Tensor], speakers: list[int]) -> list[Tensor]:
    sizes = cells.settings
    g = torch.zeros(sizes.global_hidden, dtype=torch.float64)
    e = torch.zeros(sizes.emotion_hidden, dtype=torch.float64)
    parties: dict[int, Tensor] = {}
    history: list[Tensor] = []
    emotions = []
    for u, speaker in zip(utterances, speakers, strict=True):
        q = parties.get(speaker, torch.zeros(sizes.party_hidden, dtype=torch.float64))
        context = torch.zeros_like(g)
        if history:
            shares = softmax([(cells.attention.weight @ u) @ before for before in history])
            context = sum(s * before for s, before in zip(shares, history, strict=True))
        g = gru(cells.global_cell, torch.cat([u, q]), g)
        parties[speaker] = gru(cells.party_cell, torch.cat([u, context]), q)
        e = gru(cells.emotion_cell, parties[speaker], e)
        history.append(g)
        emotions.append(e)
    return emotions
