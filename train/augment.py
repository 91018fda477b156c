"""Modality dropout: in training a clip loses some of its modalities, so that the model learns to do without them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from semanticmac.cache.dataset import Batch
from semanticmac.core import MODALITIES
from semanticmac.train.seeding import generator


def dropout_draw(clips: int, seed: int, epoch: int) -> Tensor:
    """The random numbers of one epoch, (N, 3) in [0, 1).

    They belong to clips, not to batches: neither their order, nor the number of processes, nor a
    restart changes them.
    """
    return torch.rand(clips, len(MODALITIES), generator=generator("modality dropout", seed, epoch))


def drop_modalities(batch: Batch, rate: float, draw: Tensor, modalities: Sequence[str]) -> Batch:
    """Each modality that a clip has and the model looks at becomes absent where its number in `draw` is below `rate`.

    draw (N, 3) of `dropout_draw`. Where all of a clip's would go, the one with the greatest number
    stays.
    """
    used = torch.tensor([name in modalities for name in MODALITIES])
    has = (
        torch.stack(
            [mask.any(1) for mask in (batch.token_mask, batch.audio_mask, batch.vision_mask)], dim=1
        )
        & used
    )
    numbers = draw[batch.rows].masked_fill(~has, -1.0)  # (B, 3)
    greatest = numbers.argmax(1, keepdim=True) == torch.arange(len(MODALITIES))
    return batch.keep((numbers >= rate) | greatest)
