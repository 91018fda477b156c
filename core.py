"""Names that every package needs: modalities, sub-tasks, splits, tasks, progress reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["regression", "single-label", "multi-label", "binary"]
# Modalities that an encoder of stage 1 turns into embeddings.
FrameModality = Literal["vision", "audio"]
# Of several scores one number each, None = this score is not annotated.
Label = float | str | tuple[str, ...] | tuple[float | None, ...]

# Order of the modalities m ∈ {t, a, v} on every axis and in every table.
MODALITIES = ("text", "audio", "vision")
FRAME_MODALITIES: tuple[FrameModality, ...] = ("vision", "audio")
# Order of the sub-tasks s ∈ {M, S, t, a, v} on every axis and in every table.
SUB_TASKS = ("multimodal", "shared", "text", "audio", "vision")
# Sub-tasks that are trained on pseudo labels; order of the first axis of a pseudo-label array.
PSEUDO_SUB_TASKS = SUB_TASKS[1:]
SPLITS = ("train", "valid", "test")
# The name of a score that has no name of its own.
SCORE = "score"

# Reports progress: stage, done, total, failed.
ProgressFn = Callable[[str, int, int, int], None]


@dataclass(frozen=True)
class Dimension:
    """One score of a regression task, and the range of its labels."""

    name: str = SCORE
    low: float = -3.0
    high: float = 3.0

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a score has an empty name")
        if not self.low < self.high:
            raise ValueError(
                f"label range of {self.name} is empty: low={self.low}, high={self.high}"
            )

    @property
    def neutral(self) -> float:
        """0 where the range has both signs, else its middle: 3 of 1 … 5."""
        return 0.0 if self.low < 0 < self.high else (self.low + self.high) / 2


@dataclass(frozen=True)
class Task:
    """The prediction task of one dataset.

    A target is always a vector of `width` floats: regression (K,) one score for each dimension, NaN
    where a single score is not annotated; binary (1,) 0 or 1; single-label (C,) one-hot;
    multi-label (C,) multi-hot. Losses, pseudo labels and metrics read that vector and the task.
    """

    kind: Kind
    # class names in the order of the target; binary: (negative, positive); regression: none
    classes: tuple[str, ...] = ()
    # Range of a task with one score; of several scores the range that covers all of them.
    low: float = -3.0
    high: float = 3.0
    # The scores of a regression task in the order of the target; default: one from low to high.
    dimensions: tuple[Dimension, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "regression":
            if self.classes:
                raise ValueError(f"a regression task has no classes, got {self.classes}")
            self._set_dimensions()
        elif self.dimensions:
            raise ValueError(f"a {self.kind} task has no scores, got {self.dimensions}")
        elif self.kind == "binary" and len(self.classes) != 2:
            raise ValueError(
                f"a binary task names two classes (negative, positive), got {self.classes}"
            )
        elif len(self.classes) < 2:
            raise ValueError(f"a {self.kind} task needs at least two classes, got {self.classes}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"class names repeat: {self.classes}")

    def _set_dimensions(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"label range is empty: low={self.low}, high={self.high}")
        dimensions = self.dimensions or (Dimension(SCORE, self.low, self.high),)
        names = tuple(dimension.name for dimension in dimensions)
        if len(set(names)) != len(names):
            raise ValueError(f"names of scores repeat: {names}")
        object.__setattr__(self, "dimensions", dimensions)
        object.__setattr__(self, "low", min(dimension.low for dimension in dimensions))
        object.__setattr__(self, "high", max(dimension.high for dimension in dimensions))

    @property
    def width(self) -> int:
        """Length of a target vector, which is also the width of every prediction head."""
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K numbers of a target: scores, classes, or the positive class."""
        if self.kind == "regression":
            return tuple(dimension.name for dimension in self.dimensions)
        return self.classes[1:] if self.kind == "binary" else self.classes

    @property
    def loss_weights(self) -> tuple[float, ...]:
        """Weight of the error of each score: the mean width of all ranges over its own width.

        So a score from 0 to 100 counts as much as one from 1 to 5. A single score has weight 1.
        """
        widths = [dimension.high - dimension.low for dimension in self.dimensions]
        mean = sum(widths) / max(len(widths), 1)
        return tuple(mean / width for width in widths)

    def encode(self, label: Label | None) -> list[float] | None:
        """One label as a target vector of length `width`; None (not annotated) stays None.

        A regression label is a number, or a tuple with one number for each score, None where one is
        not annotated. Raises ValueError, naming the label, for a class that the task does not know
        or a score outside its range.
        """
        if label is None:
            return None
        if self.kind == "regression":
            return self._encode_scores(label)
        names: tuple[object, ...] = label if isinstance(label, tuple) else (label,)
        if self.kind != "multi-label" and isinstance(label, tuple):
            raise ValueError(f"label {label!r} names several classes, but the task is {self.kind}")
        for name in names:
            if name not in self.classes:
                raise ValueError(f"label {name!r} is not one of {', '.join(self.classes)}")
        if self.kind == "binary":
            return [float(self.classes.index(str(names[0])))]
        return [1.0 if name in names else 0.0 for name in self.classes]

    def _encode_scores(self, label: Label) -> list[float] | None:
        values: tuple[object, ...] = label if isinstance(label, tuple) else (label,)
        if any(isinstance(value, str) for value in values):
            raise ValueError(f"label {label!r} is not a number, but the task is regression")
        if len(values) != self.width:
            raise ValueError(
                f"label {label!r} has {len(values)} scores, but the task has {self.width}: "
                f"{', '.join(self.names)}"
            )
        scores: list[float] = []
        for value, dimension in zip(values, self.dimensions, strict=True):
            score = math.nan if value is None else float(value)  # type: ignore[arg-type]
            inside = dimension.low - 1e-6 <= score <= dimension.high + 1e-6
            if value is not None and not inside:
                of_name = "" if dimension.name == SCORE else f" of {dimension.name}"
                raise ValueError(
                    f"label {score}{of_name} lies outside {dimension.low} … {dimension.high}"
                )
            scores.append(score)
        return None if all(map(math.isnan, scores)) else scores

    def to_dict(self) -> dict[str, Any]:
        """The task for JSON. A single score without a name is written as in version 0.1."""
        content = asdict(self)
        if self.dimensions in ((), (Dimension(SCORE, self.low, self.high),)):
            del content["dimensions"]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Task:
        """The task from `to_dict`, or from an older version."""
        dimensions = [Dimension(**fields) for fields in content.get("dimensions", ())]
        fields = {**content, "classes": tuple(content["classes"]), "dimensions": tuple(dimensions)}
        return cls(**fields)


def counted(count: int, noun: str, verb: str = "") -> str:
    """`1 clip`, `2 clips`; with the verb `are` or `have`: `1 clip is`, `2 clips are`."""
    if count == 1:
        verb = {"are": "is", "have": "has"}.get(verb, verb)
        return f"1 {noun} {verb}".strip()
    return f"{count} {noun}s {verb}".strip()
