"""predictions.parquet: what a run says of every clip that it was scored on, one row a clip, for programs and people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, PSEUDO_SUB_TASKS, SUB_TASKS
from semanticmac.eval.predict import Predictions
from semanticmac.run.pseudo_labels import read_pseudo_labels

FILE = "predictions.parquet"
_VECTOR = pa.list_(pa.float64())
_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("split", pa.string()),
        ("text", pa.string()),
        ("truth", _VECTOR),  # null = not annotated
        *(
            (f"predicted_{name}", _VECTOR) for name in SUB_TASKS
        ),  # scores, or logits; null = the modality is absent
        *(
            (f"annotated_{name}", _VECTOR) for name in MODALITIES
        ),  # by people, where the corpus has it
        *(
            (f"pseudo_{name}", _VECTOR) for name in PSEUDO_SUB_TASKS
        ),  # of the best epoch; train clips of runs that kept them
    ]
)


def write_predictions(
    run: Path, split: str, rows: tuple[Row, ...], predictions: Predictions, best_epoch: int
) -> Path:
    """Puts one split's clips into the table of a run; those of other splits stay as they are."""
    pseudo = _pseudo(run, best_epoch) if split == "train" else {}
    by_id = {row.clip_id: row for row in rows}
    records = []
    for i, clip_id in enumerate(predictions.clip_ids):
        row, scores = by_id[clip_id], predictions.scores[i]  # (5, K)
        seen = [True, True, *predictions.present[i]]
        said = {
            f"predicted_{name}": scores[s].tolist() if seen[s] else None
            for s, name in enumerate(SUB_TASKS)
        }
        annotated = {f"annotated_{name}": getattr(row, f"label_{name}") for name in MODALITIES}
        about = {"clip_id": clip_id, "split": split, "text": row.text, "truth": row.label}
        records.append({**about, **said, **annotated, **pseudo.get(clip_id, {})})
    path = run / FILE
    kept = [old for old in read_predictions(run) if old["split"] != split]
    with atomic_write(path) as aside:
        pq.write_table(pa.Table.from_pylist(kept + records, schema=_SCHEMA), aside)
    return path


def read_predictions(run: Path) -> list[dict[str, Any]]:
    """The rows that are there; none where the run was never scored."""
    path = run / FILE
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.exists() else []
    return rows


def _pseudo(run: Path, epoch: int) -> dict[str, dict[str, list[float] | None]]:
    history = read_pseudo_labels(run)
    if history is None or epoch not in history.epochs:
        return {}
    labels = history.labels[history.epochs.index(epoch)]  # (4, N, K)
    return {
        clip_id: {
            f"pseudo_{name}": _vector(labels[s, n]) for s, name in enumerate(PSEUDO_SUB_TASKS)
        }
        for n, clip_id in enumerate(history.clip_ids)
    }


def _vector(label: np.ndarray) -> list[float] | None:
    values: list[float] = label.tolist()
    return None if np.isnan(label).any() else values
