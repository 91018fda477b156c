"""Parts of train clips are absent, so that the model learns to do without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch, ClipInput
from semanticmac.core import MODALITIES
from semanticmac.eval.missing.drop import Drop, drawn_numbers
from semanticmac.eval.missing.request import RateProtocol
from semanticmac.train.seeding import seeded_generator


def dropout_draw(clips: int, seed: int, epoch: int) -> Tensor:
    """The random numbers of one epoch, (N, 3) in [0, 1).

    They belong to clips. Order of the clips, number of processes and restarts do not change them.
    """
    generator = seeded_generator("modality dropout", seed, epoch)
    return torch.rand(clips, len(MODALITIES), generator=generator)


@dataclass(frozen=True)
class ModalityDropout:
    """Drops modalities of a batch on the device that holds the random numbers.

    A modality of a clip becomes absent if its number is below the rate. If a clip would lose all
    of them, the one with the greatest number stays.
    """

    rate: float
    draw: Tensor  # (N, 3) of `dropout_draw`
    is_read: Tensor  # (3,) bool: the modalities that the model reads

    @classmethod
    def of_epoch(
        cls,
        clips: int,
        seed: int,
        epoch: int,
        rate: float,
        modalities: Sequence[str],
        device: torch.device,
    ) -> ModalityDropout:
        """clips: those of the train split; modalities: those that the model reads."""
        is_read = torch.tensor([name in modalities for name in MODALITIES])
        return cls(rate, dropout_draw(clips, seed, epoch).to(device), is_read.to(device))

    def __call__(self, batch: Batch) -> Batch:
        masks = (batch.token_mask, batch.audio_mask, batch.vision_mask)
        has = torch.stack([mask.any(1) for mask in masks], dim=1) & self.is_read  # (B, 3)
        # An utterance of another split (row -1) is input alone and stays complete.
        of_clip = self.draw[batch.rows].masked_fill((batch.rows < 0)[:, None], 1.0)
        numbers = of_clip.masked_fill(~has, -1.0)  # (B, 3)
        position = torch.arange(len(MODALITIES), device=numbers.device)
        is_greatest = numbers.argmax(1, keepdim=True) == position
        return batch.keep((numbers >= self.rate) | is_greatest)


@dataclass(frozen=True)
class Corruption:
    """Drops words and frames of train clips, each clip at a rate of its own in each epoch.

    The rate is uniform between 0 and `greatest_rate`. Seed, epoch and clip decide what is dropped;
    order of the clips, number of processes and restarts do not change it.
    """

    protocol: RateProtocol
    greatest_rate: float
    seed: int
    epoch: int
    substitute: str = ""  # stands for a dropped word; empty: the word is absent

    def __call__(self, clip_id: str, clip: ClipInput) -> ClipInput:
        draw = f"train/{self.epoch}"
        [number] = drawn_numbers(f"{self.seed}/{draw}/rate/{clip_id}", 1)
        rate = self.greatest_rate * float(number)
        return Drop(self.protocol, rate, self.seed, draw, substitute=self.substitute)(clip_id, clip)
