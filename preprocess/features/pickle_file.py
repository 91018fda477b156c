"""Feature pickles of MMSA: {split: {id, raw_text, audio, vision, …}}. Their code is never run.

Arrays are rebuilt here from their bytes. Nothing that a pickle names is called, not even functions
of numpy.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    encoded_label,
    gather,
)

READABLE = "dict, list, str, numbers, arrays of numbers or of str"
CODE = re.compile(r"[fiub][1248]|[US]\d+")  # what an array may consist of; `O` is read item by item
ID_SEPARATOR = "$_$"  # MMSA's id is <video>$_$<clip>; the corpora here join the two by `_`
LABELS = {
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
        """The array; the plain list of its items where it is an array of objects."""
        _, shape, dtype, fortran, raw = self.state
        if isinstance(dtype, PickledDtype) and dtype.code.startswith("O"):
            return _plain_items(raw)
        return _from_bytes(raw, dtype, shape, "F" if fortran else "C")


class PickledBuffer:
    """Stands in for what protocol 5 calls to make an array of a buffer."""

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
        raise pickle.UnpicklingError(
            f"it holds an array of {getattr(dtype, 'code', type(dtype).__name__)}"
        )
    content = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError(f"it holds an array made of a {type(content).__name__}")
    array = np.frombuffer(content, dtype=np.dtype(dtype.order + dtype.code))
    return array.reshape(shape, order="F" if order == "F" else "C")


def _plain_items(raw: object) -> list[object]:
    items = _plain(raw)
    if not isinstance(items, list) or not all(
        isinstance(item, str | bytes | int | float | None) for item in items
    ):
        raise pickle.UnpicklingError(
            "it holds an array of objects that are neither text nor numbers"
        )
    return items


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


NUMPY: Known = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledDtype,
    ("_codecs", "encode"): lambda text, _encoding: text.encode("latin-1"),
}
for core in ("numpy.core", "numpy._core"):  # numpy 1 and 2
    NUMPY[f"{core}.multiarray", "_reconstruct"] = PickledArray
    NUMPY[f"{core}.multiarray", "scalar"] = PickledScalar
    NUMPY[f"{core}.numeric", "_frombuffer"] = PickledBuffer


def read_feature_pickle(path: Path, task: Task, zero_infinite: bool) -> Features:
    """Every clip of the splits train, valid and test.

    Raises CorpusError, naming the split and the clip.
    """
    data = read_restricted(path, PLAIN | NUMPY, READABLE, _plain)
    if not isinstance(data, dict):
        raise CorpusError(
            f"{path} holds a {type(data).__name__}, expected {{train, valid, test: features}}"
        )
    splits = {
        name: part for name, part in data.items() if name in SPLIT_NAMES and isinstance(part, dict)
    }
    if not splits:
        found = ", ".join(map(str, list(data)[:8])) or "nothing"
        raise CorpusError(
            f"{path} holds {found}; expected the keys train, valid and test, with a dictionary each"
        )
    ids = [clip_id for part in splits.values() for clip_id in _ids(path, part)]
    repeated = len(set(ids)) < len(ids)
    clips: list[FeatureClip] = []
    for name, part in splits.items():
        split = SPLIT_NAMES[name]
        own = _ids(path, part)
        broadcast = [f"{split}_{clip_id}" if repeated else clip_id for clip_id in own]
        rows = _clips(f"{path}, {name}", path, broadcast, split, part, task)
        arrays = {
            kind: _padded(f"{path}, {name}", kind, part, len(own)) for kind in ("audio", "vision")
        }
        clips += gather(f"{path}, {name}", rows, arrays["audio"], arrays["vision"], zero_infinite)
    placed = {
        clip.clip_id: clip
        for clip in with_positions([item.clip for item in clips if item.clip.dialogue])
    }
    clips = [replace(item, clip=placed.get(item.clip.clip_id, item.clip)) for item in clips]
    notes = (
        ["clip ids repeat across the splits, so each begins with the name of its split"]
        if repeated
        else []
    )
    return Features.of(path, clips, notes)


def _ids(path: Path, part: Mapping[str, Any]) -> list[str]:
    ids = [] if part.get("id") is None else list(part["id"])
    if not ids or not all(isinstance(name, str | bytes | int) for name in ids):
        raise CorpusError(
            f"{path}: expected `id`, a list of one name a clip, in every split; found {part.get('id')!r:.60}"
        )
    return [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in ids
    ]


def _clips(
    where: str, path: Path, ids: Sequence[str], split: str, part: Mapping[str, Any], task: Task
) -> list[Clip]:
    texts, columns = (
        _column(where, "raw_text", part, len(ids)),
        _label_columns(where, part, task, len(ids)),
    )
    clips = []
    for row, name in enumerate(ids):
        video, separator, _ = name.rpartition(ID_SEPARATOR)
        labels = {
            modality: label
            for modality, values in columns.items()
            if (
                label := encoded_label(
                    f"{where}: clip {name!r}, {modality} label", values[row], task
                )
            )
            is not None
        }
        if "multimodal" not in labels:
            raise CorpusError(f"{where}: clip {name!r} has no label (NaN)")
        clips.append(
            Clip(
                name.replace(ID_SEPARATOR, "_"),
                path,
                text=str(texts[row]).strip() if texts is not None else "",
                labels=labels,
                split=split,
                dialogue=video if separator else None,
            )
        )
    return clips


def _label_columns(
    where: str, part: Mapping[str, Any], task: Task, count: int
) -> dict[str, list[Any]]:
    """Label values by modality: scores (regression), 0 and 1 (binary) or names of classes."""
    if task.kind == "multi-label":
        raise CorpusError(
            f"{where}: a feature pickle has one class a clip; write several as an .npz and a .csv"
        )
    columns: dict[str, list[Any] | None]
    if task.kind == "regression":
        columns = {"multimodal": _column(where, "regression_labels", part, count)}
        columns |= {
            modality: _column(where, name, part, count) for modality, name in LABELS.items()
        }
    elif task.kind == "binary":
        columns = {"multimodal": _column(where, "classification_labels", part, count)}
    else:
        columns = {"multimodal": _column(where, "annotations", part, count)}
    if columns["multimodal"] is None:
        expected = {"regression": "regression_labels", "binary": "classification_labels"}.get(
            task.kind, "annotations"
        )
        raise CorpusError(f"{where}: no {expected}; it holds {', '.join(map(str, part))}")
    return {modality: values for modality, values in columns.items() if values is not None}


def _column(where: str, name: str, part: Mapping[str, Any], count: int) -> list[Any] | None:
    """One value a clip; None where the file has no such column."""
    values = part.get(name)
    if values is None:
        return None
    flat = values.reshape(-1).tolist() if isinstance(values, np.ndarray) else list(values)
    if len(flat) != count:
        raise CorpusError(f"{where}: {name} has {len(flat)} values, but `id` names {count} clips")
    return flat


def _padded(where: str, kind: str, part: Mapping[str, Any], count: int) -> Padded | None:
    if part.get(kind) is None:
        return None
    return Padded.checked(
        f"{where}: {kind}", part[kind], _column(where, f"{kind}_lengths", part, count), count
    )
