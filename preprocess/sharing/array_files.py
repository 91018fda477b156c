"""An export as one file of padded arrays: .npz for NumPy, .pkl as the loader of MMSA reads it.

The .npz holds, beside the arrays of preprocess/features/npz_file.py, the manifest and the header of
the export, so that it can be imported again as the same streams. A .pkl has no place for them.
"""

from __future__ import annotations

import csv
import io
import pickle
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.core import SPLITS, Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.features.npz_sizes import require_sizes
from semanticmac.preprocess.sharing.header import Header, Selection
from semanticmac.preprocess.sharing.restore import SharedClips

# Raised for an archive that was cut or changed.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    CacheIncomplete,
)
HEADER, MANIFEST = "semanticmac_header", "semanticmac_manifest"


def write_npz(selection: Selection, manifest_file: Path, path: Path) -> None:
    """Writes FILE.npz and FILE.csv (clip_id, split, text, labels) beside it.

    An absent modality has the length 0. Rows behind a clip's length are zeros.
    """
    rows = selection.manifest.rows
    arrays: dict[str, np.ndarray] = {
        "id": np.array([row.clip_id for row in rows]),
        "key": np.array([row.key for row in rows]),
        HEADER: np.array(selection.header.to_json()),
        MANIFEST: np.frombuffer(manifest_file.read_bytes(), np.uint8),
    }
    for stream in selection.header.streams:
        values, lengths = padded(selection, stream.column, rows)
        arrays[stream.column] = values
        arrays[f"{stream.column}_lengths"] = lengths
        absent = [selection.embeddings(stream.column, row.key) is None for row in rows]
        arrays[f"{stream.column}_absent"] = np.array(absent)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    with atomic_write(path.with_suffix(".csv")) as partial:
        partial.write_text(_table(selection.manifest), encoding="utf-8")


def is_npz_export(path: Path) -> bool:
    """Whether an .npz came from `write_npz`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return HEADER in file.files and MANIFEST in file.files
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def read_npz(path: Path) -> tuple[Manifest, Header, SharedClips]:
    """The content of `write_npz`.

    Raises CorpusError where the file is not whole, and where it needs more memory than there is.
    """
    try:
        require_sizes(path)
        with np.load(path, allow_pickle=False) as file:
            header = Header.from_json(str(file[HEADER]), path)
            manifest = _manifest(file[MANIFEST].tobytes())
            keys = file["key"].tolist()
            clips: dict[str, dict[str, np.ndarray | None]] = {}
            for stream in header.streams:
                name = stream.column
                parts = (file[name], file[f"{name}_lengths"], file[f"{name}_absent"])
                clips[name] = _unpadded(keys, *parts)
    except _DAMAGED as error:
        raise CorpusError(f"{path} is no whole export: {error}") from None
    return manifest, header, clips


def _manifest(data: bytes) -> Manifest:
    """Raises CacheIncomplete where the bytes changed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.parquet"
        path.write_bytes(data)
        return Manifest.read(path)


def write_mmsa(selection: Selection, path: Path) -> list[str]:
    """Writes {split: {id, raw_text, audio, vision, lengths, labels}} and returns notes.

    Raises CorpusError for several streams of one modality, and for a task that MMSA does not have.
    """
    columns = [stream.column for stream in selection.header.streams]
    if not set(columns) <= {"vision", "audio"}:
        raise CorpusError("a feature pickle has one stream of each modality: name one as --vision")
    task = selection.manifest.task
    several = task is not None and task.kind == "regression" and task.width > 1
    if task is None or task.kind == "multi-label" or several:
        raise CorpusError(
            f"{selection.manifest.dataset}: MMSA has one score or one class for each clip; use "
            "--format npz"
        )
    data: dict[str, dict[str, Any]] = {}
    left_out = 0
    for split in SPLITS:
        labelled = selection.manifest.labelled(split)
        left_out += len(selection.manifest.split(split)) - len(labelled)
        if labelled:
            data[split] = _mmsa_split(selection, columns, labelled, task)
    with atomic_write(path) as partial, partial.open("wb") as file:
        pickle.dump(data, file, protocol=4)
    notes = ["a feature pickle has no text_bert: MMSA's own tool adds it from raw_text"]
    if left_out:
        notes.append(f"{left_out} clips without a label are left out: MMSA needs one")
    return notes


def padded(
    selection: Selection, column: str, rows: tuple[Row, ...] | list[Row]
) -> tuple[np.ndarray, np.ndarray]:
    """(N, T, E) float16, zeros behind each clip, and its lengths (N,)."""
    clips = [selection.embeddings(column, row.key) for row in rows]
    lengths = np.array([0 if clip is None else len(clip) for clip in clips], np.int64)
    width = selection.readers[column].fingerprint.width
    shape = (len(rows), max(1, int(lengths.max(initial=1))), width)
    values = np.zeros(shape, np.float16)
    for number, clip in enumerate(clips):
        if clip is not None:
            values[number, : len(clip)] = clip
    return values, lengths


def _mmsa_split(
    selection: Selection, columns: list[str], rows: list[Row], task: Task
) -> dict[str, Any]:
    part: dict[str, Any] = {
        "id": [row.clip_id for row in rows],
        "raw_text": [row.text for row in rows],
    }
    for column in columns:
        values, lengths = padded(selection, column, rows)
        part[column] = values.astype(np.float32)
        part[f"{column}_lengths"] = lengths.tolist()
    labels = [row.label or [] for row in rows]
    if task.kind == "regression":
        part["regression_labels"] = np.array([label[0] for label in labels])
        for letter, name in (("T", "label_text"), ("A", "label_audio"), ("V", "label_vision")):
            scores = np.full(len(rows), np.nan)
            is_labelled = False
            for number, row in enumerate(rows):
                label = getattr(row, name)
                if label is not None:
                    scores[number] = label[0]
                    is_labelled = True
            if is_labelled:
                part[f"regression_labels_{letter}"] = scores
    elif task.kind == "binary":
        part["classification_labels"] = np.array([label[0] for label in labels])
    else:
        part["annotations"] = [_label_text(task, label) for label in labels]
    return part


def _unpadded(
    keys: list[str], values: np.ndarray, lengths: np.ndarray, absent: np.ndarray
) -> dict[str, np.ndarray | None]:
    """Content key → embeddings (F, E). Raises ValueError where the arrays do not fit together.

    values: (N, T, E); lengths, absent: (N,).
    """
    counts = {len(keys), len(values), len(lengths), len(absent)}
    if len(counts) > 1 or lengths.min(initial=0) < 0 or lengths.max(initial=0) > values.shape[1]:
        raise ValueError("its arrays and lengths do not fit together")
    clips: dict[str, np.ndarray | None] = {}
    for number, key in enumerate(keys):
        clips[key] = None if absent[number] else values[number, : lengths[number]]
    return clips


def _table(manifest: Manifest) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("label", "label_text", "label_audio", "label_vision")
    writer.writerow(("clip_id", "split", "text", *names))
    for row in manifest.rows:
        labels = [_label_text(manifest.task, getattr(row, name)) for name in names]
        writer.writerow((row.clip_id, row.split or "", row.text, *labels))
    return text.getvalue()


def _label_text(task: Task | None, label: list[float] | None) -> str:
    """A label as the tables of corpora write it."""
    if task is None or label is None:
        return ""
    if task.kind == "regression":
        return "|".join(f"{score:g}" for score in label)
    if task.kind == "binary":
        return task.classes[int(label[0])]
    return "|".join(name for name, value in zip(task.classes, label, strict=True) if value)
