"""Texts in chunks give the states and the gradients of all texts at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from semanticmac.model.attention import masked_mean
from semanticmac.model.dialogue.texts import encode_in_chunks

LENGTHS = [3, 0, 5, 1, 2, 4, 0]


def states_and_gradient(size: int, seen: list[int] | None = None) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    table = nn.Embedding(9, 6).double()
    ids = torch.randint(9, (len(LENGTHS), 5))
    mask = torch.arange(5)[None] < torch.tensor(LENGTHS)[:, None]

    def encode(some_ids: Tensor, some_mask: Tensor) -> Tensor:
        if seen is not None:
            seen.append(some_ids.shape[1])
        return masked_mean(table(some_ids).tanh(), some_mask)

    states = encode_in_chunks(encode, ids, mask, size)
    states.square().sum().backward()
    assert table.weight.grad is not None
    return states.detach(), table.weight.grad


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_change_nothing(size: int) -> None:
    for chunked, whole in zip(states_and_gradient(size), states_and_gradient(0), strict=True):
        torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-12)


def test_a_chunk_is_as_long_as_its_longest_text() -> None:
    seen: list[int] = []
    states_and_gradient(2, seen)
    assert seen[:4] == [3, 5, 4, 1]
    assert len(seen) == 8  # each is computed again in the backward pass
