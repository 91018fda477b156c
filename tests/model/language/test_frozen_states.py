"""Frozen states equal the language model's, are computed once, and do not depend on the batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from semanticmac.model.language.frozen_states import FrozenStates


class Counting(nn.Module):
    """States that depend on the whole text; counts its calls."""

    width = 3

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, self.width)
        self.calls = 0

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        self.calls += 1
        hidden: Tensor = self.table(ids).masked_fill(~mask[..., None], 0.0).cumsum(1)
        if types is not None:
            hidden = hidden + types[..., None]
        return hidden.masked_fill(~mask[..., None], 0.0)


def batch(*texts: list[int]) -> tuple[Tensor, Tensor]:
    length = max(1, *(len(text) for text in texts))
    ids = torch.tensor([text + [0] * (length - len(text)) for text in texts])
    lengths = torch.tensor([len(text) for text in texts])
    return ids, torch.arange(length) < lengths[:, None]


@pytest.mark.parametrize("with_types", [False, True])
def test_the_states_are_those_of_the_language_model(with_types: bool) -> None:
    torch.manual_seed(0)
    language = Counting().eval()
    ids, mask = batch([5, 6, 7], [8], [])
    types = torch.ones_like(ids) if with_types else None
    expected = language(ids, mask, types)
    found = FrozenStates()(language, ids, mask, types, 3)
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


def test_a_text_is_computed_once_and_has_the_same_bits_in_every_batch() -> None:
    language, states = Counting().eval(), FrozenStates()
    with torch.inference_mode():  # as at validation
        first = states(language, *batch([5, 6], [7, 8, 9]), None, 3)
    assert language.calls == 2
    again = states(language, *batch([7, 8, 9], [1, 2, 3, 4], [5, 6]), None, 3)
    assert language.calls == 3
    assert again[2, :2].equal(first[0, :2]) and again[0, :3].equal(first[1])
    # Its states can be used in training.
    weight = torch.ones(3, requires_grad=True)
    (again * weight).sum().backward()
    assert weight.grad is not None


def test_the_memory_is_limited_and_the_result_is_not() -> None:
    language = Counting().eval()
    states = FrozenStates(limit_bytes=2 * 3 * 4)  # one text of two tokens
    inputs = batch([5, 6], [7, 8])
    first, second = (states(language, *inputs, None, 3) for _ in range(2))
    assert first.equal(second) and language.calls == 3 and states.bytes == 24
