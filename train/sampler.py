"""The order of the clips in each epoch, their batches, and the padding of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.train.seeding import seeded_generator

Item = TypeVar("Item")

SHORTEST_TEXT, SHORTEST_VIDEO = 16, 8  # smallest padded lengths, in tokens and in frames


@dataclass(frozen=True)
class BatchSampler:
    """Draws an order of all train clips for each epoch, and groups them by batch and by step.

    The order depends on seed and epoch alone. The number of finished steps is therefore enough to
    resume within an epoch.
    """

    clips: int
    batch_size: int
    accumulate: int  # batches in a step
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(math.ceil(self.clips / self.batch_size) / self.accumulate)

    def batches(self, epoch: int) -> list[list[int]]:
        """Clip positions in the train split, by batch. The last batch may be smaller."""
        generator = seeded_generator(self.seed, epoch)
        order: list[int] = torch.randperm(self.clips, generator=generator).tolist()
        return chunks(order, self.batch_size)

    def steps(self, epoch: int) -> list[list[list[int]]]:
        """The batches of an epoch, by step. The last step may have fewer batches."""
        return chunks(self.batches(epoch), self.accumulate)


def chunks(items: Sequence[Item], size: int) -> list[list[Item]]:
    """Consecutive items in lists of `size`; the last list may be shorter."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def pad_to_bucket(batch: Batch, max_tokens: int) -> Batch:
    """Pads tokens and frames to a power of two, so that a compiled model sees few shapes.

    max_tokens: the most that the language model accepts.
    """
    length = batch.token_ids.shape[1]
    tokens = max(length, min(_bucket(length, SHORTEST_TEXT), max_tokens)) - length
    frames = _bucket(batch.vision_mask.shape[1], SHORTEST_VIDEO) - batch.vision_mask.shape[1]
    return replace(
        batch,
        token_ids=F.pad(batch.token_ids, (0, tokens)),
        token_mask=F.pad(batch.token_mask, (0, tokens)),
        token_types=_pad_optional(batch.token_types, tokens),
        vision=F.pad(batch.vision, (0, 0, 0, frames)),
        vision_mask=F.pad(batch.vision_mask, (0, frames)),
        audio=F.pad(batch.audio, (0, 0, 0, frames)),
        audio_mask=F.pad(batch.audio_mask, (0, frames)),
        frame_context=_pad_optional(batch.frame_context, frames),
    )


def _pad_optional(values: Tensor | None, count: int) -> Tensor | None:
    """(B, L) → (B, L + count)"""
    return None if values is None else F.pad(values, (0, count))


def _bucket(length: int, shortest: int) -> int:
    """The smallest shortest · 2^i that is at least the length."""
    bucket = shortest
    while bucket < length:
        bucket *= 2
    return bucket
