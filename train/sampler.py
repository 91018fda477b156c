"""Which clips make up the batches of an epoch, and how far they are padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.cache.dataset import Batch
from semanticmac.train.seeding import generator

TOKEN_BUCKET, FRAME_BUCKET = 16, 8  # the shortest lengths


def epoch_batches(clips: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Every clip of the train split once, as places in it, in an order that belongs to seed and epoch alone.

    So the number of batches done says all about where a run stands in an epoch. The last batch may
    be smaller.
    """
    order: list[int] = torch.randperm(clips, generator=generator(seed, epoch)).tolist()
    return in_order(order, batch_size)


def in_order(clips: Sequence[int], batch_size: int) -> list[list[int]]:
    return [list(clips[start : start + batch_size]) for start in range(0, len(clips), batch_size)]


def pad_to_bucket(batch: Batch, max_tokens: int) -> Batch:
    """The same batch padded to a power of two of tokens and of frames: a compiled model sees few different shapes.

    max_tokens: of the language model, which has no place for more.
    """
    length = batch.token_ids.shape[1]
    tokens = max(length, min(_bucket(length, TOKEN_BUCKET), max_tokens)) - length
    frames = _bucket(batch.vision_mask.shape[1], FRAME_BUCKET) - batch.vision_mask.shape[1]
    types, context = batch.token_types, batch.frame_context
    return replace(
        batch,
        token_ids=F.pad(batch.token_ids, (0, tokens)),
        token_mask=F.pad(batch.token_mask, (0, tokens)),
        token_types=None if types is None else F.pad(types, (0, tokens)),
        vision=_more_frames(batch.vision, frames),
        vision_mask=F.pad(batch.vision_mask, (0, frames)),
        audio=_more_frames(batch.audio, frames),
        audio_mask=F.pad(batch.audio_mask, (0, frames)),
        frame_context=None if context is None else F.pad(context, (0, frames)),
    )


def _more_frames(values: Tensor, count: int) -> Tensor:
    """(B, F, E) → (B, F + count, E), zero in what is new."""
    return F.pad(values, (0, 0, 0, count))


def _bucket(length: int, shortest: int) -> int:
    """The least shortest · 2^i that is not below the length."""
    bucket = shortest
    while bucket < length:
        bucket *= 2
    return bucket
