"""Modality dropout: random modalities are absent in training, so that the model can miss them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.core import MODALITIES
from semanticmac.train.seeding import seeded_generator


def dropout_draw(clips: int, seed: int, epoch: int) -> Tensor:
    """The random numbers of one epoch, (N, 3) in [0, 1).

    They belong to clips. Order of the clips, number of processes and restarts do not change them.
    """
    generator = seeded_generator("modality dropout", seed, epoch)
    return torch.rand(clips, len(MODALITIES), generator=generator)


def drop_modalities(batch: Batch, rate: float, draw: Tensor, modalities: Sequence[str]) -> Batch:
    """Makes each modality of a clip absent if its number in `draw` is below `rate`.

    draw: (N, 3) of `dropout_draw`; modalities: those that the model reads. If a clip would lose all
    of them, the one with the greatest number stays.
    """
    is_read = torch.tensor([name in modalities for name in MODALITIES])
    masks = (batch.token_mask, batch.audio_mask, batch.vision_mask)
    has = torch.stack([mask.any(1) for mask in masks], dim=1) & is_read  # (B, 3)
    numbers = draw[batch.rows].masked_fill(~has, -1.0)  # (B, 3)
    is_greatest = numbers.argmax(1, keepdim=True) == torch.arange(len(MODALITIES))
    return batch.keep((numbers >= rate) | is_greatest)
