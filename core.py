"""Names that every package needs: modalities, sub-tasks, splits, tasks, progress reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["regression", "single-label", "multi-label", "binary"]
# Modalities that an encoder of stage 1 turns into embeddings.
FrameModality = Literal["vision", "audio"]
Label = float | str | tuple[str, ...]

# Order of the modalities m ∈ {t, a, v} on every axis and in every table.
MODALITIES = ("text", "audio", "vision")
FRAME_MODALITIES: tuple[FrameModality, ...] = ("vision", "audio")
# Order of the sub-tasks s ∈ {M, S, t, a, v} on every axis and in every table.
SUB_TASKS = ("multimodal", "shared", "text", "audio", "vision")
# Sub-tasks that are trained on pseudo labels; order of the first axis of a pseudo-label array.
PSEUDO_SUB_TASKS = SUB_TASKS[1:]
SPLITS = ("train", "valid", "test")

# Reports progress: stage, done, total, failed.
ProgressFn = Callable[[str, int, int, int], None]


@dataclass(frozen=True)
class Task:
    """The prediction task of one dataset.

    A target is always a vector of `width` floats: regression (1,) the score; binary (1,) 0 or 1;
    single-label (C,) one-hot; multi-label (C,) multi-hot. Losses, pseudo labels and metrics read
    that vector and `kind`, nothing else.
    """

    kind: Kind
    # class names in the order of the target; binary: (negative, positive); regression: none
    classes: tuple[str, ...] = ()
    low: float = -3.0  # label range, regression only
    high: float = 3.0

    def __post_init__(self) -> None:
        if self.kind == "regression":
            if self.classes:
                raise ValueError(f"a regression task has no classes, got {self.classes}")
            if not self.low < self.high:
                raise ValueError(f"label range is empty: low={self.low}, high={self.high}")
        elif self.kind == "binary" and len(self.classes) != 2:
            raise ValueError(
                f"a binary task names two classes (negative, positive), got {self.classes}"
            )
        elif len(self.classes) < 2:
            raise ValueError(f"a {self.kind} task needs at least two classes, got {self.classes}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"class names repeat: {self.classes}")

    @property
    def width(self) -> int:
        """Length of a target vector, which is also the width of every prediction head."""
        return 1 if self.kind in ("regression", "binary") else len(self.classes)

    def encode(self, label: Label | None) -> list[float] | None:
        """One label as a target vector of length `width`; None (not annotated) stays None.

        Raises ValueError, naming the label, for a class that the task does not know or a score
        outside its range.
        """
        if label is None:
            return None
        if self.kind == "regression":
            if isinstance(label, str | tuple):
                raise ValueError(f"label {label!r} is not a number, but the task is regression")
            score = float(label)
            if not math.isfinite(score) or not self.low - 1e-6 <= score <= self.high + 1e-6:
                raise ValueError(f"label {score} lies outside {self.low} … {self.high}")
            return [score]
        if self.kind == "multi-label":
            names = label if isinstance(label, tuple) else (label,)
        elif isinstance(label, tuple):
            raise ValueError(f"label {label!r} names several classes, but the task is {self.kind}")
        else:
            names = (label,)
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise ValueError(f"label {unknown[0]!r} is not one of {', '.join(self.classes)}")
        if self.kind == "binary":
            return [float(self.classes.index(str(names[0])))]
        return [1.0 if name in names else 0.0 for name in self.classes]


def counted(count: int, noun: str, verb: str = "") -> str:
    """`1 clip`, `2 clips`; with the verb `are` or `have`: `1 clip is`, `2 clips are`."""
    if count == 1:
        verb = {"are": "is", "have": "has"}.get(verb, verb)
        return f"1 {noun} {verb}".strip()
    return f"{count} {noun}s {verb}".strip()
