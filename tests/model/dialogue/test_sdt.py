"""SDT equals a loop over the utterances of one dialogue."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support import slow
from support.dialogues import make_dialogues, make_network
from support.slow_dialogues import (
    SlowDialogue,
    assert_equals_the_loop,
    attention,
    dialogue_of,
    mapped,
    readable,
)
from torch import Tensor

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.mult import sinusoids
from semanticmac.model.dialogue.sdt import sources_of

SCALE = math.sqrt(2 / math.pi)


@pytest.mark.parametrize("both_directions", [False, True])
def test_equals_the_loop(both_directions: bool) -> None:
    assert_equals_the_loop("sdt", slow_sdt, both_directions)


def slow_sdt(network: Any, dialogue: SlowDialogue, both_directions: bool) -> list[Tensor]:
    fused, _ = slow_teacher_and_students(network, dialogue, both_directions)
    return fused


@pytest.mark.parametrize("both_directions", [False, True])
def test_students_equal_the_loop(both_directions: bool) -> None:
    dialogues = make_dialogues((5, 3, 1))
    network = make_network("sdt", both_directions)
    predictions = network(dialogues).predictions
    dialogue = dialogue_of(dialogues, 0)
    _, students = slow_teacher_and_students(network, dialogue, both_directions)
    for name in MODALITIES:
        expected = torch.stack(students[name])
        torch.testing.assert_close(predictions[name][0, :5], expected, rtol=0, atol=1e-10)


def slow_teacher_and_students(
    network: Any, dialogue: SlowDialogue, both_directions: bool
) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
    length, most = len(dialogue), network.settings.speakers
    places = sinusoids(length, network.settings.hidden)
    x: dict[str, list[Tensor]] = {}
    for name in MODALITIES:
        x[name] = []
        for i, vectors in enumerate(dialogue.vectors):
            speaker = network.speakers.weight[min(dialogue.speakers[i], most - 1)]
            x[name].append(mapped(network.inputs, name, vectors[name]) + places[i] + speaker)

    fused, students = [], {name: [] for name in MODALITIES}
    for i in range(length):
        states, gates = [], []
        for name in MODALITIES:
            parts = []
            for source in sources_of(name):
                read = []
                for j in readable(i, length, None, None if both_directions else 0):
                    if dialogue.vectors[j][source] is not None:
                        read.append(x[source][j])
                layer = network.layers[f"{source}_{name}"]
                y = x[name][i] + attention(layer.attention, x[name][i], read)
                inner = slow.linear(layer.inner, slow.layer_norm(layer.norm, y))
                inner = 0.5 * inner * (1 + (SCALE * (inner + 0.044715 * inner**3)).tanh())
                h = y + slow.linear(layer.outer, inner)
                parts.append(slow.linear(layer.gate, h).sigmoid() * h)
            state = slow.linear(network.joins[name], torch.cat(parts))
            students[name].append(slow.linear(network.heads[name], state.relu()))
            if dialogue.vectors[i][name] is not None:
                states.append(state)
                gates.append(slow.linear(network.gate, state).exp())
        total = torch.zeros(network.settings.hidden, dtype=torch.float64)
        for state, gate in zip(states, gates, strict=True):
            total = total + gate / sum(gates) * state
        fused.append(slow.linear(network.head, total))
    return fused, students
