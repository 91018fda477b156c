"""Reads feature pickles of MMSA, {split: {id, raw_text, audio, …}}, without running their code.

Arrays are rebuilt here from their bytes. No function that a pickle names is called, not even one of
numpy. The file is read in a worker process with limited memory and time. The worker sends back the
clips, without padding and without the arrays that are not used.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, CorpusError
from semanticmac.preprocess.corpora.mmsa import with_positions
from semanticmac.preprocess.corpora.pickles import PLAIN, Known, PickledDtype, read_restricted
from semanticmac.preprocess.corpora.splits import SPLIT_NAMES
from semanticmac.preprocess.features.records import (
    FeatureClip,
    Features,
    Padded,
    clip_names,
    encoded_label,
    gather,
)
from semanticmac.preprocess.isolated_read import read_isolated

READABLE = "dict, list, str, numbers, arrays of numbers or of str"
# Data types of arrays that are read. Arrays of objects ("O") are read item by item.
CODE = re.compile(r"[fiub][1248]|[US]\d+")
# MMSA's ids are <video>$_$<clip>; the corpora here write <video>_<clip>.
ID_SEPARATOR = "$_$"
# Key of the class labels by kind of task; regression has a key per modality.
CLASS_LABELS = {"binary": "classification_labels", "single-label": "annotations"}
REGRESSION_LABELS = {
    "multimodal": "regression_labels",
    "text": "regression_labels_T",
    "audio": "regression_labels_A",
    "vision": "regression_labels_V",
}


class PickledArray:
    """Stands in for numpy.ndarray while a pickle is read."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def value(self) -> object:
        """The array; the plain list of its items if it is an array of objects."""
        _, shape, dtype, fortran, raw = self.state
        if isinstance(dtype, PickledDtype) and dtype.code.startswith("O"):
            return _plain_items(raw)
        return _from_bytes(raw, dtype, shape, "F" if fortran else "C")


class PickledBuffer:
    """Stands in for the function that makes an array of a buffer in protocol 5."""

    def __init__(
        self, raw: object, dtype: object, shape: tuple[int, ...], order: str = "C"
    ) -> None:
        self.parts = (raw, dtype, shape, order)

    def value(self) -> object:
        return _from_bytes(*self.parts)


class PickledScalar:
    """Stands in for one numpy number or string."""

    def __init__(self, dtype: object, raw: object = b"") -> None:
        self.parts = (raw, dtype)

    def value(self) -> object:
        return _from_bytes(*self.parts, (), "C").item()


def _from_bytes(raw: object, dtype: object, shape: tuple[int, ...], order: str) -> np.ndarray:
    if not isinstance(dtype, PickledDtype) or not CODE.fullmatch(dtype.code):
        code = getattr(dtype, "code", type(dtype).__name__)
        raise pickle.UnpicklingError(f"it holds an array of {code}")
    content = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError(f"it holds an array made of a {type(content).__name__}")
    array = np.frombuffer(content, dtype=np.dtype(dtype.order + dtype.code))
    return array.reshape(shape, order="F" if order == "F" else "C")


def _plain_items(raw: object) -> list[object]:
    items = _plain(raw)
    plain_types = str | bytes | int | float | None
    if isinstance(items, list) and all(isinstance(item, plain_types) for item in items):
        return items
    raise pickle.UnpicklingError("it holds an array of objects that are neither text nor numbers")


def _plain(data: object) -> object:
    """The data with every stand-in replaced by its value."""
    if isinstance(data, PickledArray | PickledBuffer | PickledScalar):
        return data.value()
    if isinstance(data, Mapping):
        return {_plain(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    if isinstance(data, PickledDtype):
        return data.code
    return data


def _encode_latin1(text: str, _encoding: str) -> bytes:
    return text.encode("latin-1")


NUMPY: Known = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledDtype,
    ("_codecs", "encode"): _encode_latin1,
}
for core in ("numpy.core", "numpy._core"):  # numpy 1 and 2
    NUMPY[f"{core}.multiarray", "_reconstruct"] = PickledArray
    NUMPY[f"{core}.multiarray", "scalar"] = PickledScalar
    NUMPY[f"{core}.numeric", "_frombuffer"] = PickledBuffer


def read_feature_pickle(path: Path, task: Task, zero_infinite: bool) -> Features:
    """Every clip of the splits train, valid and test.

    Raises CorpusError with the name of the split and of the clip.
    """
    return read_isolated(path, _read, (path, task, zero_infinite))


def _read(job: tuple[Path, Task, bool]) -> Features:
    """What the worker process runs."""
    path, task, zero_infinite = job
    parts = _read_splits(path)
    ids = {name: _ids(path, part) for name, part in parts.items()}
    every_id = list(chain.from_iterable(ids.values()))
    repeated = len(set(every_id)) < len(every_id)

    clips: list[FeatureClip] = []
    for name, part in parts.items():
        where, split = f"{path}, {name}", SPLIT_NAMES[name]
        names = ids[name]
        if repeated:
            names = [f"{split}_{clip_id}" for clip_id in names]
        labelled = _clips(where, path, names, split, part, task)
        audio = _padded(where, "audio", part, len(names))
        vision = _padded(where, "vision", part, len(names))
        clips += gather(where, labelled, audio, vision, zero_infinite)

    notes = []
    if repeated:
        notes.append("clip ids repeat across the splits, so each begins with the name of its split")
    return Features.of(path, _with_positions(clips), notes)


def _read_splits(path: Path) -> dict[str, Mapping[str, Any]]:
    """The features of each split, under the name that the file gives to the split."""
    data = read_restricted(path, PLAIN | NUMPY, READABLE, _plain)
    if not isinstance(data, dict):
        raise CorpusError(
            f"{path} holds a {type(data).__name__}, expected {{train, valid, test: features}}"
        )
    parts: dict[str, Mapping[str, Any]] = {}
    for name, part in data.items():
        if name in SPLIT_NAMES and isinstance(part, dict):
            parts[name] = part
    if not parts:
        keys = ", ".join(map(str, list(data)[:8])) or "nothing"
        raise CorpusError(
            f"{path} holds {keys}; expected the keys train, valid and test, with a dictionary each"
        )
    return parts


def _with_positions(items: Sequence[FeatureClip]) -> list[FeatureClip]:
    """The clips with their positions in the source video, where the id names that video."""
    in_dialogues = with_positions([item.clip for item in items if item.clip.dialogue])
    by_id = {clip.clip_id: clip for clip in in_dialogues}
    return [replace(item, clip=by_id.get(item.clip.clip_id, item.clip)) for item in items]


def _ids(path: Path, part: Mapping[str, Any]) -> list[str]:
    ids = part.get("id")
    names = [] if ids is None else list(ids)
    if names and all(isinstance(name, str | bytes | int) for name in names):
        return clip_names(names)
    raise CorpusError(
        f"{path}: expected `id`, a list with the name of each clip, in every split; "
        f"it holds {ids!r:.60}"
    )


def _clips(
    where: str, path: Path, ids: Sequence[str], split: str, part: Mapping[str, Any], task: Task
) -> list[Clip]:
    texts = _column(where, "raw_text", part, len(ids))
    columns = _label_columns(where, part, task, len(ids))
    clips = []
    for row, name in enumerate(ids):
        labels = {}
        for modality, values in columns.items():
            what = f"{where}: clip {name!r}, {modality} label"
            label = encoded_label(what, values[row], task)
            if label is not None:
                labels[modality] = label
        if "multimodal" not in labels:
            raise CorpusError(f"{where}: clip {name!r} has no label (NaN)")

        video, separator, _ = name.rpartition(ID_SEPARATOR)
        clip = Clip(
            name.replace(ID_SEPARATOR, "_"),
            path,
            text="" if texts is None else str(texts[row]).strip(),
            labels=labels,
            split=split,
            dialogue=video if separator else None,
        )
        clips.append(clip)
    return clips


def _label_columns(
    where: str, part: Mapping[str, Any], task: Task, count: int
) -> dict[str, list[Any]]:
    """Label values by modality: scores (regression), 0 and 1 (binary) or names of classes.

    Raises CorpusError if there are no multimodal labels.
    """
    if task.kind == "multi-label":
        raise CorpusError(
            f"{where}: a feature pickle has one class per clip; "
            "use an .npz and a .csv for several classes"
        )
    keys = REGRESSION_LABELS
    if task.kind != "regression":
        keys = {"multimodal": CLASS_LABELS[task.kind]}

    columns = {}
    for modality, key in keys.items():
        values = _column(where, key, part, count)
        if values is not None:
            columns[modality] = values
    if "multimodal" not in columns:
        raise CorpusError(f"{where}: no {keys['multimodal']}; it holds {', '.join(map(str, part))}")
    return columns


def _column(where: str, name: str, part: Mapping[str, Any], count: int) -> list[Any] | None:
    """One value per clip; None if the file has no such column."""
    values = part.get(name)
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        values = values.reshape(-1).tolist()
    column = list(values)
    if len(column) != count:
        raise CorpusError(f"{where}: {name} has {len(column)} values, but `id` names {count} clips")
    return column


def _padded(where: str, kind: str, part: Mapping[str, Any], count: int) -> Padded | None:
    if part.get(kind) is None:
        return None
    lengths = _column(where, f"{kind}_lengths", part, count)
    return Padded.checked(f"{where}: {kind}", part[kind], lengths, count)
