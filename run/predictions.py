"""Predictions of a run, and predictions.parquet: one row for each clip that was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, PSEUDO_SUB_TASKS, SUB_TASKS
from semanticmac.run.pseudo_labels import read_pseudo_labels

FILE = "predictions.parquet"
_VECTOR = pa.list_(pa.float64())


def _vectors(kind: str, names: Sequence[str]) -> list[tuple[str, pa.DataType]]:
    """Columns of vectors, one for each name."""
    return [(f"{kind}_{name}", _VECTOR) for name in names]


_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("split", pa.string()),
        ("text", pa.string()),
        # null: not annotated
        ("truth", _VECTOR),
        # scores or logits; null: the modality is absent
        *_vectors("predicted", SUB_TASKS),
        # labels of a modality by itself, where people annotated it
        *_vectors("annotated", MODALITIES),
        # of the best epoch; only for train clips of runs that kept pseudo labels
        *_vectors("pseudo", PSEUDO_SUB_TASKS),
    ]
)


@dataclass(frozen=True)
class Predictions:
    """Outputs of a model for N clips, in the order in which the clips came."""

    clip_ids: tuple[str, ...]
    truth: np.ndarray  # (N, K) float64, NaN = not labelled
    # (N, 5, K) float64 scores or logits, in the order of SUB_TASKS; NaN: the model has no such head
    outputs: np.ndarray
    present: np.ndarray  # (N, 3) bool, in the order of MODALITIES

    @property
    def multimodal(self) -> np.ndarray:
        """(N, K), the prediction that is scored."""
        return self.outputs[:, 0]

    def ordered(self, clip_ids: Sequence[str]) -> Predictions:
        """The same clips in this order. Dialogues are predicted one after the other."""
        if tuple(clip_ids) == self.clip_ids:
            return self
        place = {clip_id: number for number, clip_id in enumerate(self.clip_ids)}
        order = [place[clip_id] for clip_id in clip_ids]
        return Predictions(
            tuple(clip_ids), self.truth[order], self.outputs[order], self.present[order]
        )

    def available(self, clip: int) -> tuple[bool, ...]:
        """For each sub-task: does the model predict it, and has the clip the modality it needs?"""
        needed = np.array([True, True, *self.present[clip]])
        predicted = ~np.isnan(self.outputs[clip]).any(axis=1)
        # An output that became NaN in training is shown, not left out.
        predicted[0] = True
        return tuple((needed & predicted).tolist())


def rows_by_clip_id(rows: Sequence[Row]) -> dict[str, Row]:
    """Clip id → row of the manifest."""
    return {row.clip_id: row for row in rows}


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """The clips of all parts, one part after the other."""
    clip_ids: list[str] = []
    truth = []
    outputs = []
    present = []
    for part in parts:
        clip_ids += part.clip_ids
        truth.append(part.truth)
        outputs.append(part.outputs)
        present.append(part.present)
    return Predictions(
        tuple(clip_ids), np.concatenate(truth), np.concatenate(outputs), np.concatenate(present)
    )


def write_predictions(
    run: Path, split: str, rows: Sequence[Row], predictions: Predictions, best_epoch: int
) -> Path:
    """Replaces the clips of one split in the table of a run; those of other splits are kept."""
    pseudo_labels = _pseudo_labels(run, best_epoch) if split == "train" else {}
    row_of = rows_by_clip_id(rows)
    records = []
    for number, clip_id in enumerate(predictions.clip_ids):
        row = row_of[clip_id]
        record: dict[str, Any] = {
            "clip_id": clip_id,
            "split": split,
            "text": row.text,
            "truth": row.label,
        }
        available = predictions.available(number)
        for place, name in enumerate(SUB_TASKS):
            if available[place]:
                record[f"predicted_{name}"] = predictions.outputs[number, place].tolist()
        for name in MODALITIES:
            record[f"annotated_{name}"] = getattr(row, f"label_{name}")
        records.append(record | pseudo_labels.get(clip_id, {}))

    path = run / FILE
    other_splits = []
    for record in read_predictions(run):
        if record["split"] != split:
            other_splits.append(record)
    with atomic_write(path) as temporary:
        pq.write_table(pa.Table.from_pylist(other_splits + records, schema=_SCHEMA), temporary)
    return path


def read_predictions(run: Path) -> list[dict[str, Any]]:
    """All rows of the table; an empty list where the run was never scored."""
    path = run / FILE
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _pseudo_labels(run: Path, epoch: int) -> dict[str, dict[str, list[float] | None]]:
    """Clip → column → its pseudo label in one epoch."""
    history = read_pseudo_labels(run)
    labels = None if history is None else history.of_epoch(epoch)
    if history is None or labels is None:
        return {}
    columns = {}
    for number, clip_id in enumerate(history.clip_ids):
        record = {}
        for place, name in enumerate(PSEUDO_SUB_TASKS):
            record[f"pseudo_{name}"] = _vector(labels[place, number])
        columns[clip_id] = record
    return columns


def _vector(label: np.ndarray) -> list[float] | None:
    values: list[float] = label.tolist()
    return None if np.isnan(label).all() else values
