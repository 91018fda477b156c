"""Extracted features of clips: padding is removed and every number is checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.core import Label, Task
from semanticmac.preprocess.clip import Clip, CorpusError, check_clips

FLOAT16_MAX = float(np.finfo(np.float16).max)  # 65504: the cache keeps float16


@dataclass(frozen=True)
class Padded:
    """One modality of N clips as a feature file stores it."""

    values: np.ndarray  # (N, T, D), any kind of number
    # Number of real rows of each clip, counted from the first row.
    # None: the padding is the rows of zeros before and after the other rows.
    lengths: list[int] | None

    @classmethod
    def checked(
        cls, what: str, values: object, lengths: Sequence[Any] | None, count: int
    ) -> Padded:
        """Raises CorpusError for a wrong shape, number of clips or length."""
        expected = "an array of numbers (clips, rows, width)"
        if not isinstance(values, np.ndarray):
            raise CorpusError(f"{what} is {type(values).__name__}, expected {expected}")
        if values.ndim != 3 or values.dtype.kind not in "fiu":
            raise CorpusError(f"{what} is {values.dtype} {values.shape}, expected {expected}")
        if len(values) != count or 0 in values.shape:
            raise CorpusError(
                f"{what} has the shape {values.shape}, but the file names {count} clips"
            )
        if lengths is None:
            return cls(values, None)

        rows = values.shape[1]
        checked_lengths = []
        for clip, length in enumerate(lengths):
            is_number = isinstance(length, int | float)
            if not is_number or length != int(length) or not 0 <= length <= rows:
                raise CorpusError(
                    f"{what}: clip {clip} has the length {length!r}, expected 0 … {rows}"
                )
            checked_lengths.append(int(length))
        return cls(values, checked_lengths)

    def rows(self, clip: int) -> np.ndarray:
        """The rows of one clip without padding, (F, D); no rows if all of them are zero."""
        rows: np.ndarray = self.values[clip]
        if self.lengths is not None:
            rows = rows[: self.lengths[clip]]
        nonzero = np.flatnonzero(rows.any(axis=1))
        if not len(nonzero):
            return rows[:0]
        if self.lengths is not None:
            return rows
        return rows[nonzero[0] : nonzero[-1] + 1]


@dataclass(frozen=True)
class FeatureClip:
    """One clip with its features; a missing modality is None."""

    clip: Clip  # its video is the feature file
    audio: np.ndarray | None  # (F, audio width)
    vision: np.ndarray | None  # (F, vision width)


@dataclass(frozen=True)
class Features:
    """The content of one feature file."""

    path: Path
    clips: tuple[FeatureClip, ...]
    audio_width: int  # 0: the file has no audio
    vision_width: int  # 0: the file has no vision
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, clips: Sequence[FeatureClip], notes: Iterable[str] = ()) -> Features:
        """Raises CorpusError for repeated ids and for a modality with two widths."""
        check_clips((item.clip for item in clips), str(path))
        audio_width = _width(path, "audio", (item.audio for item in clips))
        vision_width = _width(path, "vision", (item.vision for item in clips))
        if not audio_width and not vision_width:
            raise CorpusError(f"{path} holds neither audio nor vision of any clip")
        return cls(path, tuple(clips), audio_width, vision_width, tuple(notes))


def _width(path: Path, name: str, arrays: Iterable[np.ndarray | None]) -> int:
    """Numbers per row of one modality; 0 if no clip has it."""
    widths = {rows.shape[1] for rows in arrays if rows is not None}
    if len(widths) > 1:
        listed = " and ".join(map(str, sorted(widths)))
        raise CorpusError(
            f"{path}: {name} is {listed} numbers wide, expected the same width in every split"
        )
    return max(widths, default=0)


def clip_names(ids: Iterable[object]) -> list[str]:
    """Clip ids as strings; a feature file may store them as bytes or numbers."""
    names = []
    for clip_id in ids:
        if isinstance(clip_id, bytes):
            names.append(clip_id.decode("utf-8", "replace"))
        else:
            names.append(str(clip_id))
    return names


def gather(
    where: str,
    clips: Sequence[Clip],
    audio: Padded | None,
    vision: Padded | None,
    zero_infinite: bool,
) -> list[FeatureClip]:
    """The clips of one split with their real rows.

    Raises CorpusError with the name of the clip for NaN and infinity.
    """
    gathered = []
    for row, clip in enumerate(clips):
        audio_rows = vision_rows = None
        if audio is not None:
            audio_rows = audio.rows(row)
            if zero_infinite:
                zero = audio_rows.dtype.type(0)
                audio_rows = np.where(np.isneginf(audio_rows), zero, audio_rows)
            audio_rows = _finite_rows(f"{where}: audio of clip {clip.clip_id!r}", audio_rows)
        if vision is not None:
            vision_rows = vision.rows(row)
            vision_rows = _finite_rows(f"{where}: vision of clip {clip.clip_id!r}", vision_rows)
        gathered.append(FeatureClip(clip, audio_rows, vision_rows))
    return gathered


def _finite_rows(what: str, rows: np.ndarray) -> np.ndarray | None:
    """The rows, or None if there are none. Raises CorpusError if float16 cannot hold a number."""
    if not len(rows):
        return None
    invalid = ~np.isfinite(rows)
    if invalid.any():
        row, column = np.argwhere(invalid)[0]
        message = (
            f"{what} holds {int(invalid.sum())} numbers that are NaN or infinite. The first is "
            f"{rows[row, column]} in row {row}, column {column}. Correct the file"
        )
        if np.isneginf(rows).any():
            message += "; --zero-infinite reads −inf in audio as 0, as MMSA's own loader does"
        raise CorpusError(message)
    largest = float(np.abs(rows).max())
    if largest > FLOAT16_MAX:
        raise CorpusError(
            f"{what} holds ±{largest:g}, but the cache keeps float16 (at most {FLOAT16_MAX:g}). "
            "Standardise the features first, with mean and standard deviation of the train split"
        )
    return rows


def encoded_label(what: str, value: object, task: Task) -> Label | None:
    """A label of the task; None for NaN and None, which mean not annotated.

    0 and 1 are the two classes of a binary task. Raises CorpusError for any other value that is
    not a label of the task.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    label: Any = value
    if task.kind != "regression":
        if isinstance(value, str):
            label = value.strip().lower()
        elif task.kind == "binary" and value in (0, 1):
            label = task.classes[int(label)]
        if not isinstance(label, str):
            raise CorpusError(f"{what} is {value!r}, expected one of {', '.join(task.classes)}")
    try:
        task.encode(label)
    except (ValueError, TypeError) as error:
        raise CorpusError(f"{what}: {error}") from error
    return label  # type: ignore[no-any-return]
