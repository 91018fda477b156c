"""Features in FILE.npz, with texts, labels and splits in FILE.csv beside it.

The .npz holds `id` (N,), and `audio` (N, T, width), `vision` (N, T, width) or both. If rows of
zeros are real data, it also holds `audio_lengths` and `vision_lengths` (N,). The .csv holds
clip_id, split, text and label, and optionally label_text, label_audio and label_vision.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from semanticmac.core import Task, counted
from semanticmac.preprocess.clip import Clip, CorpusError
from semanticmac.preprocess.corpora.labels import read_labels
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.splits import parse_split
from semanticmac.preprocess.corpora.tables import Row, index_rows, read_table
from semanticmac.preprocess.features.npz_sizes import require_sizes
from semanticmac.preprocess.features.records import Features, Padded, clip_names, gather

KEYS = ("id", "audio", "vision", "audio_lengths", "vision_lengths")
# What NumPy and zipfile raise for a damaged archive, and for one with objects in it.
UNREADABLE = (
    ValueError,
    KeyError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_feature_arrays(path: Path, task: Task, zero_infinite: bool) -> Features:
    """The clips that are both in the table and in the .npz.

    Raises CorpusError with the name of the file and of the clip.
    """
    table = path.with_suffix(".csv")
    if not table.is_file():
        raise CorpusError(f"{path} needs {table} beside it (clip_id, split, text, label)")
    rows = _rows(table)
    arrays = _arrays(path)
    ids = _ids(path, arrays)

    without_features = [name for name in rows if name not in ids]
    if without_features:
        raise CorpusError(
            f"{counted(len(without_features), 'clip')} of {table} without features in {path}: "
            f"{preview(without_features)}"
        )

    # All clips of the .npz are checked, also those that the table leaves out.
    clips = [_clip(path, name, rows.get(name), task) for name in ids]
    audio = _padded(path, "audio", arrays, len(ids))
    vision = _padded(path, "vision", arrays, len(ids))
    selected, left_out = [], []
    for item in gather(str(path), clips, audio, vision, zero_infinite):
        if item.clip.clip_id in rows:
            selected.append(item)
        else:
            left_out.append(item.clip.clip_id)

    notes = []
    if left_out:
        notes.append(
            f"{counted(len(left_out), 'clip', 'are')} in {path.name} and not in {table.name}; "
            f"left out: "
            f"{preview(left_out)}"
        )
    return Features.of(path, selected, notes)


def _rows(table: Path) -> Mapping[str, Row]:
    rows = read_table(table, ("clip_id", "split")).rows
    if not rows:
        raise CorpusError(f"{table} names no clips")
    return index_rows(rows, [row.name("clip_id") for row in rows], "clip_id")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        require_sizes(path, KEYS)
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in KEYS if key in file.files}
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise CorpusError(f"{path} is no .npz of plain arrays: {error}") from error


def _ids(path: Path, arrays: Mapping[str, np.ndarray]) -> list[str]:
    ids = arrays.get("id")
    if ids is None or ids.ndim != 1 or ids.dtype.kind not in "UiuS" or not len(ids):
        raise CorpusError(
            f"{path}: expected `id` (N,), the name of each clip, beside `audio` and `vision` "
            "(N, T, width)"
        )
    names = clip_names(ids.tolist())
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CorpusError(f"{path}: the id {name!r} appears twice; ids must be unique")
        seen.add(name)
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
    if lengths is None:
        return Padded.checked(f"{path}: {kind}", arrays[kind], None, count)
    if lengths.shape != (count,):
        raise CorpusError(
            f"{path}: {kind}_lengths has the shape {lengths.shape}, expected ({count},)"
        )
    return Padded.checked(f"{path}: {kind}", arrays[kind], lengths.tolist(), count)
