"""A batch on another device and in pinned memory."""

from __future__ import annotations

import pytest
import torch
from support.batches import CLIPS, assert_same, lengths
from torch import Tensor

from semanticmac.cache.dataset import ClipDataset, make_dataloader


def test_a_batch_that_moves_is_the_same(dataset: ClipDataset) -> None:
    [batch] = make_dataloader(dataset, CLIPS, lengths, 1)
    assert_same(batch.to(torch.device("cpu")), batch)
    moved = vars(batch.to(torch.device("meta"))).values()
    assert {value.device.type for value in moved if isinstance(value, Tensor)} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="memory is pinned for a GPU")
def test_pinned_batches_are_pinned(dataset: ClipDataset) -> None:
    for batch in make_dataloader(dataset, 4, lengths, 1, pin_memory=True):
        assert all(value.is_pinned() for value in vars(batch).values() if isinstance(value, Tensor))
