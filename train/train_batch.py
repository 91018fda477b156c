"""TrainBatch: one batch of training, as the trainer reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.train.augment import ModalityDropout


@dataclass(frozen=True)
class TrainBatch:
    """One batch of all processes together, and the share of this process."""

    rows: Sequence[int]  # positions of all its clips in the train split
    clip_ids: Sequence[str]  # of all its clips
    local: Batch
    dropout: ModalityDropout | None = None
    # Clips that each process predicts; empty: as DistributedContext.share_sizes.
    sizes: Sequence[int] = ()

    def local_on(self, device: torch.device) -> Batch:
        """The share of this process on the device, without the modalities that are dropped."""
        batch = self.local.to(device)
        return batch if self.dropout is None else self.dropout(batch)

    def rows_beside(self, local: Batch) -> Tensor:
        """`rows` as (B,) int64 on the device of `local`. The process does not wait for a GPU."""
        if local.dialogues is None and len(self.rows) == len(local):
            return local.rows  # One process has all of them.
        rows = torch.tensor(self.rows)
        if local.rows.device.type == "cuda":
            rows = rows.pin_memory()
        return rows.to(local.rows.device, non_blocking=True)
