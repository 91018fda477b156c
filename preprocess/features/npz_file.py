"""Features in FILE.npz, with texts, labels and splits in FILE.csv beside it.

The .npz holds `id` (N,), and `audio` (N, T, width), `vision` (N, T, width) or both. If rows of zeros
are real data, it also holds `audio_lengths` and `vision_lengths` (N,). The .csv holds clip_id,
split, text and label, and optionally label_text, label_audio and label_vision.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, CorpusError
from semanticmac.preprocess.corpora.labels import read_labels
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.splits import parse_split
from semanticmac.preprocess.corpora.tables import Row, index_rows, read_table
from semanticmac.preprocess.features.records import Features, Padded, gather

KEYS = ("id", "audio", "vision", "audio_lengths", "vision_lengths")


def read_feature_arrays(path: Path, task: Task, zero_infinite: bool) -> Features:
    """The clips of the table that the .npz has features of.

    Raises CorpusError, naming the file and the clip.
    """
    table = path.with_suffix(".csv")
    if not table.is_file():
        raise CorpusError(f"{path} needs {table} beside it (clip_id, split, text, label)")
    rows = _rows(table)
    arrays = _arrays(path)
    ids = _ids(path, arrays)
    unknown = [name for name in rows if name not in ids]
    if unknown:
        raise CorpusError(
            f"{len(unknown)} clips of {table} have no features in {path}: {preview(unknown)}"
        )
    clips = [_clip(path, name, rows.get(name), task) for name in ids]
    padded = {kind: _padded(path, kind, arrays, len(ids)) for kind in ("audio", "vision")}
    gathered = gather(str(path), clips, padded["audio"], padded["vision"], zero_infinite)
    left_out = [name for name in ids if name not in rows]
    note = f"{len(left_out)} clips of {path.name} are not in {table.name} and are left out: {preview(left_out)}"
    return Features.of(
        path, [item for item in gathered if item.clip.clip_id in rows], [note] if left_out else []
    )


def _rows(table: Path) -> Mapping[str, Row]:
    rows = read_table(table, ("clip_id", "split")).rows
    if not rows:
        raise CorpusError(f"{table} names no clips")
    return index_rows(rows, [row.name("clip_id") for row in rows], "clip_id")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in KEYS if key in file.files}
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path} is no .npz of plain arrays: {error}") from error


def _ids(path: Path, arrays: Mapping[str, np.ndarray]) -> list[str]:
    ids = arrays.get("id")
    if ids is None or ids.ndim != 1 or ids.dtype.kind not in "UiuS" or not len(ids):
        raise CorpusError(
            f"{path}: expected `id`, one name a clip (N,), beside `audio` and `vision` (N, T, width)"
        )
    names = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        for name in ids.tolist()
    ]
    if len(set(names)) < len(names):
        raise CorpusError(
            f"{path}: the id {next(name for name in names if names.count(name) > 1)!r} stands twice"
        )
    return names


def _clip(path: Path, name: str, row: Row | None, task: Task) -> Clip:
    if row is None:
        return Clip(name, path)
    return Clip(
        name, path, text=row.text("text"), labels=read_labels(row, task), split=parse_split(row)
    )


def _padded(path: Path, kind: str, arrays: Mapping[str, np.ndarray], count: int) -> Padded | None:
    if kind not in arrays:
        return None
    lengths = arrays.get(f"{kind}_lengths")
    if lengths is not None and lengths.shape != (count,):
        raise CorpusError(
            f"{path}: {kind}_lengths has the shape {lengths.shape}, expected ({count},)"
        )
    return Padded.checked(
        f"{path}: {kind}", arrays[kind], None if lengths is None else lengths.tolist(), count
    )
