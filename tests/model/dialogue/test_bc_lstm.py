"""bc-LSTM equals a loop over the utterances of one dialogue."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import slow
from support.slow_dialogues import SlowDialogue, assert_equals_the_loop
from torch import Tensor

from semanticmac.core import MODALITIES


@pytest.mark.parametrize("both_directions", [False, True])
def test_equals_the_loop(both_directions: bool) -> None:
    assert_equals_the_loop("bc-lstm", slow_bc_lstm, both_directions)


def slow_bc_lstm(network: Any, dialogue: SlowDialogue, both_directions: bool) -> list[Tensor]:
    columns = []
    for name in MODALITIES:
        inputs = []
        for vectors in dialogue.vectors:
            vector = vectors[name]
            if vector is None:
                width = network.norms[name].normalized_shape[0]
                inputs.append(torch.zeros(width, dtype=torch.float64))
            else:
                inputs.append(slow.layer_norm(network.norms[name], vector))
        states = slow.lstm(network.lstms[name].rnn, torch.stack(inputs))[0]
        columns.append([slow.linear(network.dense[name], state).tanh() for state in states])
    utterances = torch.stack([torch.cat(parts) for parts in zip(*columns, strict=True)])
    fused = slow.lstm(network.fusion.rnn, utterances)[0]
    hidden = [slow.linear(network.fusion_dense, state).tanh() for state in fused]
    return [slow.linear(network.head, state) for state in hidden]
