"""Pseudo labels of a run, one file for each epoch: pseudo_labels/epoch-001.safetensors …"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from semanticmac.cache.atomic_io import atomic_write

FOLDER = "pseudo_labels"


@dataclass(frozen=True)
class PseudoHistory:
    """Targets of every sub-task, epoch by epoch."""

    clip_ids: tuple[str, ...]  # the train clips
    epochs: tuple[int, ...]
    # (E, 4, N, K), second axis in the order of PSEUDO_SUB_TASKS; NaN = the clip has no label
    labels: np.ndarray

    def of_epoch(self, epoch: int) -> np.ndarray | None:
        """(4, N, K) labels of one epoch; None where it was not kept."""
        if epoch not in self.epochs:
            return None
        labels: np.ndarray = self.labels[self.epochs.index(epoch)]
        return labels


def write_pseudo_labels(run: Path, epoch: int, clip_ids: Sequence[str], labels: Tensor) -> None:
    """Writes the labels (4, N, K) of one epoch; epochs count from 1."""
    path = run / FOLDER / f"epoch-{epoch:03d}.safetensors"
    metadata = {"clip_ids": json.dumps(list(clip_ids))}
    with atomic_write(path) as temporary:
        save_file({"labels": labels.float().cpu().numpy()}, temporary, metadata)


def read_pseudo_labels(run: Path) -> PseudoHistory | None:
    """All epochs that a run kept; None where it kept none."""
    files = sorted((run / FOLDER).glob("epoch-*.safetensors"))
    if not files:
        return None
    labels = []
    epochs = []
    for path in files:
        with safe_open(path, framework="numpy") as file:
            clip_ids = tuple(json.loads(file.metadata()["clip_ids"]))
            labels.append(file.get_tensor("labels"))
        epochs.append(int(path.stem.removeprefix("epoch-")))
    return PseudoHistory(clip_ids, tuple(epochs), np.stack(labels))
