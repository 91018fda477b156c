"""The pseudo labels that a run was trained on, one small file an epoch: pseudo_labels/epoch-001.safetensors …"""

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
    """What every sub-task was taught, epoch by epoch."""

    clip_ids: tuple[str, ...]  # the train clips
    epochs: tuple[int, ...]
    labels: (
        np.ndarray
    )  # (E, 4, N, K), second axis in the order of PSEUDO_SUB_TASKS; NaN = the clip has no label


def write_pseudo_labels(run: Path, epoch: int, clip_ids: Sequence[str], labels: Tensor) -> None:
    """Keeps the labels (4, N, K) that an epoch, counted from 1, was trained on."""
    with atomic_write(run / FOLDER / f"epoch-{epoch:03d}.safetensors") as aside:
        save_file(
            {"labels": labels.float().cpu().numpy()},
            aside,
            {"clip_ids": json.dumps(list(clip_ids))},
        )


def read_pseudo_labels(run: Path) -> PseudoHistory | None:
    """Every epoch that a run kept; None where it kept none."""
    files = sorted((run / FOLDER).glob("epoch-*.safetensors"))
    if not files:
        return None
    labels = []
    for path in files:
        with safe_open(path, framework="numpy") as file:
            clip_ids = tuple(json.loads(file.metadata()["clip_ids"]))
            labels.append(file.get_tensor("labels"))
    epochs = tuple(int(path.stem.removeprefix("epoch-")) for path in files)
    return PseudoHistory(clip_ids, epochs, np.stack(labels))
