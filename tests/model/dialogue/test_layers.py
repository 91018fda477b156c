"""Parts that several models of dialogues share."""

from __future__ import annotations

import torch

from semanticmac.model.dialogue.layers import reversed_steps


def test_real_steps_are_reversed_and_padding_stays() -> None:
    values = torch.arange(12.0).reshape(2, 3, 2).requires_grad_()
    mask = torch.tensor([[True, True, True], [True, True, False]])
    reverse = reversed_steps(values, mask)
    assert reverse[0].equal(values[0].flip(0))
    assert reverse[1].equal(values[1, [1, 0, 2]])
    speakers = torch.tensor([[0, 1, 2], [0, 1, 0]])
    assert reversed_steps(speakers, mask).tolist() == [[2, 1, 0], [1, 0, 0]]

    # In a fixed order a GPU sorts every number for the backward pass of `gather`.
    assert reverse.grad_fn is not None and reverse.grad_fn.name() == "IndexBackward0"
    reverse.backward(torch.arange(12.0).reshape(2, 3, 2))
    assert values.grad is not None
    assert values.grad[0].equal(torch.arange(6.0).reshape(3, 2).flip(0))
