"""Extracted features: padded arrays without their padding, with every number checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.core import Label, Task
from semanticmac.preprocess.clip import Clip, CorpusError, check_clips

FLOAT16_MOST = float(np.finfo(np.float16).max)  # 65504: the cache keeps float16


@dataclass(frozen=True)
class Padded:
    """One modality of N clips as feature files keep it."""

    values: np.ndarray  # (N, T, D), any kind of number
    lengths: (
        list[int] | None
    )  # rows of each clip that are real, from the first; None: rows of zeros pad it, either side

    @classmethod
    def checked(
        cls, what: str, values: object, lengths: Sequence[Any] | None, count: int
    ) -> Padded:
        """Raises CorpusError for a wrong shape, number of clips or length."""
        if not isinstance(values, np.ndarray) or values.ndim != 3 or values.dtype.kind not in "fiu":
            shape = (
                f"{values.dtype} {values.shape}"
                if isinstance(values, np.ndarray)
                else type(values).__name__
            )
            raise CorpusError(
                f"{what} is {shape}, expected an array of numbers (clips, rows, width)"
            )
        if len(values) != count or 0 in values.shape:
            raise CorpusError(f"{what} has the shape {values.shape}, but {count} clips are named")
        if lengths is None:
            return cls(values, None)
        for row, length in enumerate(lengths):
            if (
                not isinstance(length, int | float)
                or length != int(length)
                or not 0 <= length <= values.shape[1]
            ):
                raise CorpusError(
                    f"{what}: clip {row} has the length {length!r}, expected 0 … {values.shape[1]}"
                )
        return cls(values, [int(length) for length in lengths])

    def rows(self, clip: int) -> np.ndarray:
        """The rows of one clip without padding, (F, D); no rows if all of them are zero."""
        rows: np.ndarray = self.values[clip]
        if self.lengths is not None:
            rows = rows[: self.lengths[clip]]
            return rows if rows.any() else rows[:0]
        real = np.flatnonzero(rows.any(axis=1))
        return rows[real[0] : real[-1] + 1] if len(real) else rows[:0]


@dataclass(frozen=True)
class FeatureClip:
    """One clip with its features; a modality that it does not have is None."""

    clip: Clip  # its video is the feature file
    audio: np.ndarray | None  # (F, audio width)
    vision: np.ndarray | None  # (F, vision width)


@dataclass(frozen=True)
class Features:
    """The content of one feature file."""

    path: Path
    clips: tuple[FeatureClip, ...]
    audio_width: int  # 0: the file has no audio
    vision_width: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, clips: Sequence[FeatureClip], notes: Iterable[str] = ()) -> Features:
        """Raises CorpusError for ids that repeat, and where one modality has two widths."""
        check_clips((item.clip for item in clips), str(path))
        widths = {}
        for name in ("audio", "vision"):
            found = {rows.shape[1] for item in clips if (rows := getattr(item, name)) is not None}
            if len(found) > 1:
                raise CorpusError(
                    f"{path}: {name} is {' and '.join(map(str, sorted(found)))} numbers wide by split"
                )
            widths[name] = found.pop() if found else 0
        if not any(widths.values()):
            raise CorpusError(f"{path} holds neither audio nor vision of any clip")
        return cls(path, tuple(clips), widths["audio"], widths["vision"], tuple(notes))


def gather(
    where: str,
    clips: Sequence[Clip],
    audio: Padded | None,
    vision: Padded | None,
    zero_infinite: bool,
) -> list[FeatureClip]:
    """The clips of one split with their real rows.

    Raises CorpusError, naming the clip, for NaN and infinity.
    """
    gathered = []
    for row, clip in enumerate(clips):
        heard = None if audio is None else audio.rows(row)
        if heard is not None and zero_infinite:
            heard = np.where(np.isneginf(heard), heard.dtype.type(0), heard)
        seen = None if vision is None else vision.rows(row)
        pair = [
            _whole(where, clip, name, rows) for name, rows in (("audio", heard), ("vision", seen))
        ]
        gathered.append(FeatureClip(clip, *pair))
    return gathered


def _whole(where: str, clip: Clip, name: str, rows: np.ndarray | None) -> np.ndarray | None:
    """The rows, or None if there are none. Raises CorpusError for a number that cannot be kept."""
    if rows is None or not len(rows):
        return None
    broken = ~np.isfinite(rows)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        hint = (
            "; --zero-infinite reads −inf in audio as 0, as MMSA's own loader does"
            if np.isneginf(rows).any()
            else ""
        )
        raise CorpusError(
            f"{where}: {name} of clip {clip.clip_id!r} holds {int(broken.sum())} numbers that are NaN or infinite, the "
            f"first ({rows[row, column]}) in row {row}, column {column}. Mend the file{hint}"
        )
    most = float(np.abs(rows).max())
    if most > FLOAT16_MOST:
        raise CorpusError(
            f"{where}: {name} of clip {clip.clip_id!r} holds ±{most:g}; the cache keeps float16, which ends at "
            f"{FLOAT16_MOST:g}. Scale the features first, by the mean and spread of train"
        )
    return rows


def encoded_label(what: str, value: object, task: Task) -> Label | None:
    """A label of the task; None for NaN and nothing, which mean not annotated.

    0 and 1 are a binary task's classes.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    label: Any = (
        value.strip().lower() if isinstance(value, str) and task.kind != "regression" else value
    )
    if task.kind == "binary" and label in (0, 1):
        label = task.classes[int(label)]
    if task.kind != "regression" and not isinstance(label, str):
        raise CorpusError(f"{what} is {value!r}, expected one of {', '.join(task.classes)}")
    try:
        task.encode(label)
    except (ValueError, TypeError) as error:
        raise CorpusError(f"{what}: {error}") from error
    return label  # type: ignore[no-any-return]
