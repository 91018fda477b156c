"""Helpers of the tests that read batches from a small cache."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch, NoTokens

CLIPS = 11


def lengths(texts, contexts=None) -> NoTokens:
    """A tokenizer whose tokens tell the text: its length."""
    return NoTokens(
        torch.tensor([[len(text)] for text in texts]), torch.ones(len(texts), 1, dtype=torch.bool)
    )


def assert_same(ours: Batch, theirs: Batch) -> None:
    for field in fields(Batch):
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(mine, Tensor):
            torch.testing.assert_close(mine, other, rtol=0, atol=0, equal_nan=True)
        else:
            assert mine == other
