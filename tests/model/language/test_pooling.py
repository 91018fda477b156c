"""Pooling against loops, with padding on either side and in windows."""

from __future__ import annotations

import pytest
import torch

from semanticmac.model.language.family import Pooling
from semanticmac.model.language.pooling import pool


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_pooling_is_that_of_a_loop(pooling: Pooling) -> None:
    hidden = torch.randn(4, 5, 3)
    rows = [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]]
    mask = torch.tensor(rows, dtype=torch.bool)
    pooled = pool(hidden, mask, pooling)
    for row in range(4):
        real = hidden[row][mask[row]]
        if not len(real):
            expected = torch.zeros(3)
        elif pooling == "mean":
            expected = real.mean(0)
        else:
            expected = real[0 if pooling == "first" else -1]
        torch.testing.assert_close(pooled[row], expected)


def test_windows_are_pooled_one_by_one() -> None:
    hidden = torch.randn(2, 7, 3)
    mask = torch.arange(7) < torch.tensor([6, 2])[:, None]
    pooled = pool(hidden, mask, "last", window=3)
    torch.testing.assert_close(pooled[0], (hidden[0, 2] + hidden[0, 5]) / 2)
    torch.testing.assert_close(pooled[1], hidden[1, 1])
