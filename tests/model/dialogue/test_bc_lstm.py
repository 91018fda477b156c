"""bc-LSTM equals a loop over the utterances of one dialogue."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import slow
from support.dialogues import make_dialogues, make_network
from support.slow_dialogues import SlowDialogue, dialogue_of
from torch import Tensor

from semanticmac.core import MODALITIES


@pytest.mark.parametrize("both_directions", [False, True])
def test_equals_the_loop(both_directions: bool) -> None:
    """Dialogues of five, three and one utterances, with absent modalities and three speakers."""
    dialogues = make_dialogues((5, 3, 1))
    network = make_network("bc-lstm", both_directions)
    predictions = network(dialogues).predictions["multimodal"]
    for row in range(3):
        dialogue = dialogue_of(dialogues, row)
        expected = torch.stack(slow_bc_lstm(network, dialogue, both_directions))
        torch.testing.assert_close(predictions[row, : len(dialogue)], expected, rtol=0, atol=1e-10)


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
