"""The predictions of raw videos as rows of a file of results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from semanticmac.cache.atomic_io import as_text
from semanticmac.core import Task
from semanticmac.eval.prediction import Prediction, interval_columns
from semanticmac.eval.report.results_file import DONE, KEY, STATUS, Cell
from semanticmac.preprocess.clip import Clip
from semanticmac.run.digests import prediction_digest

FAILED = "failed"


def result_columns(task: Task, modalities: Sequence[str]) -> list[str]:
    """The columns of a file: the clip, its multimodal output, each modality alone, remarks."""
    columns = ["clip", "file", "start_s", "end_s", "text", "prediction"]
    columns += [f"probability {name}" for name in task.classes]
    for dimension in task.dimensions:
        columns += [dimension.name, *interval_columns(dimension.name)]
    for modality in modalities:
        columns += _columns_alone(task, modality)
    return [*columns, "notes", STATUS, KEY]


def _columns_alone(task: Task, modality: str) -> list[str]:
    if task.classes:
        return [f"{modality} probability {name}" for name in task.classes]
    return [f"{modality} {name}" for name in task.names]


def result_row(
    task: Task, modalities: Sequence[str], clip: Clip, key: str, prediction: Prediction
) -> dict[str, Cell]:
    """The row of one predicted clip. Cells of an absent modality are empty."""
    row = _clip_cells(clip)
    row["prediction"] = prediction.summary
    outputs: dict[str, list[float] | None] = prediction.outputs
    if task.classes:
        outputs = prediction.probabilities
    multimodal_columns = [f"probability {name}" for name in task.classes] or list(task.names)
    row.update(_output_cells(multimodal_columns, outputs["multimodal"]))
    for place, dimension in enumerate(task.dimensions):
        bounds = prediction.intervals[place] if prediction.intervals else None
        row.update(_output_cells(interval_columns(dimension.name), bounds))
    for modality in modalities:
        row.update(_output_cells(_columns_alone(task, modality), outputs.get(modality)))
    row.update({"notes": "; ".join(prediction.notes), STATUS: DONE, KEY: key})
    return row


def failure_row(columns: Sequence[str], clip: Clip, key: str, reason: str) -> dict[str, Cell]:
    """The row of a clip that could not be predicted: its reason stands under `notes`."""
    row: dict[str, Cell] = dict.fromkeys(columns)
    row.update(_clip_cells(clip))
    row.update({"notes": reason, STATUS: FAILED, KEY: key})
    return row


def _clip_cells(clip: Clip) -> dict[str, Cell]:
    return {
        "clip": as_text(clip.clip_id),
        "file": as_text(str(clip.video)),
        "start_s": clip.start_s,
        "end_s": clip.end_s,
        "text": clip.text,
    }


def _output_cells(columns: Sequence[str], output: Sequence[float] | None) -> dict[str, Cell]:
    if output is None:
        return dict.fromkeys(columns)
    return dict(zip(columns, output, strict=True))


def result_key(run: Path, clip: Clip, absent: Sequence[str], in_dialogue: bool = False) -> str:
    """Identifies everything that a prediction depends on: the run, the file, the text.

    in_dialogue: the clip was predicted after the clips before it.
    """
    content = [
        prediction_digest(run),
        [clip.clip_id, str(clip.video.absolute()), clip.start_s, clip.end_s, clip.text],
        sorted(absent),
    ]
    try:
        status = clip.video.stat()
        content.append([status.st_size, status.st_mtime_ns])
    except OSError:
        content.append("no file")
    if in_dialogue:
        content.append("in its dialogue")
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
