"""The task of a label column: what its cells have in common, and what in them is a mistake.

Nothing is guessed where a cell could be a mistake: numbers mixed with names, an outlier, and two
labels for one clip are errors that name file and line. Everything that is read as something else
than it is written is told in a note.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task, counted
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.labels import (
    fold,
    has_decimal_comma,
    is_missing,
    refuse_dash,
    refuse_nan,
    with_decimal_point,
)
from semanticmac.preprocess.corpora.tables import Row, is_number, with_ascii_minus

# Scores within −3 … 3 get this range, the scale of MOSI and MOSEI. No other range is assumed.
USUAL_RANGE = 3.0
# A score so many interquartile ranges beyond the quartiles is taken for a slip of the keyboard.
OUTLIER_RANGES = 6.0


@dataclass(frozen=True)
class Cell:
    """One label as it is written in a table."""

    row: Row
    column: str
    value: str  # without surrounding blanks


def find_task(cells: Sequence[Cell]) -> tuple[Task | None, list[str]]:
    """The task of all label cells together and notes; no task if no cell has a label.

    Only numbers: regression, or binary if they are all 0 or 1. Only names: the classes of a
    single-label task, or binary for true and false. Raises CorpusError with file and line for a
    mixture of both, for an outlier and for a single class.
    """
    notes: list[str] = []
    labels = [cell for cell in cells if not is_missing(cell.value)]
    if len(labels) < len(cells):
        notes.append(
            f"{len(cells) - len(labels)} labels are written NA or N/A: "
            "these clips count as not labelled"
        )
    if not labels:
        return None, notes
    for cell in labels:
        refuse_nan(cell.row, cell.column, cell.value)
        refuse_dash(cell.row, cell.column, cell.value)

    numbers: list[Cell] = []
    names: list[Cell] = []
    for cell in labels:
        if is_number(with_decimal_point(cell.value)):
            numbers.append(cell)
        else:
            names.append(cell)
    if not numbers:
        task, class_notes = _classes(labels)
        return task, notes + class_notes
    if names:
        raise _mixture(numbers, names)
    task, score_notes = _scores(numbers)
    return task, [*notes, *spelling_notes(numbers), *score_notes]


def spelling_notes(numbers: Sequence[Cell]) -> list[str]:
    """Notes on numbers that are not written as Python writes them."""
    commas: list[str] = []
    minuses: list[str] = []
    for cell in numbers:
        if has_decimal_comma(cell.value):
            commas.append(cell.value)
        if cell.value != with_ascii_minus(cell.value):
            minuses.append(cell.value)
    notes: list[str] = []
    for spellings, what in ((commas, "a decimal comma"), (minuses, "another minus sign")):
        if spellings:
            read = with_ascii_minus(with_decimal_point(spellings[0]))
            count = counted(len(spellings), "label", "are")
            notes.append(f"{count} written with {what}: {spellings[0]} is read as {read}")
    return notes


def _mixture(numbers: Sequence[Cell], names: Sequence[Cell]) -> CorpusError:
    """The error for labels that are numbers and names: it names the first of the fewer kind."""
    if len(names) <= len(numbers):
        wrong, others, kind = names[0], len(numbers), "numbers"
    else:
        wrong, others, kind = numbers[0], len(names), "names of classes"
    total = len(numbers) + len(names)
    return wrong.row.error(
        f"{wrong.column} is {wrong.value!r}, but {others} of {total} labels are {kind}; "
        "leave the cell empty if the clip is not annotated"
    )


def _scores(numbers: Sequence[Cell]) -> tuple[Task, list[str]]:
    if set(_values(numbers)) == {0.0, 1.0}:
        return Task("binary", ("0", "1")), []
    low, high, notes = score_range(numbers)
    return Task("regression", low=low, high=high), notes


def _values(numbers: Sequence[Cell]) -> list[float]:
    scores: list[float] = []
    for cell in numbers:
        value = with_decimal_point(cell.value)
        scores.append(cell.row.parse_number(value, f"the {cell.column}"))
    return scores


def score_range(numbers: Sequence[Cell]) -> tuple[float, float, list[str]]:
    """The range of the scores in these cells, and notes.

    Raises CorpusError for an outlier, and where all scores are equal.
    """
    scores = _values(numbers)
    _refuse_outlier(numbers, scores)
    if max(map(abs, scores)) <= USUAL_RANGE:
        return -USUAL_RANGE, USUAL_RANGE, []
    low, high = float(math.floor(min(scores))), float(math.ceil(max(scores)))
    if low == high:
        path = numbers[0].row.path
        raise CorpusError(f"{path}: every label is {low:g}; there is nothing to learn")
    note = (
        f"some labels lie outside −3 … 3; the range is {low:g} … {high:g}, "
        "from the smallest to the largest label"
    )
    return low, high, [note]


def _refuse_outlier(numbers: Sequence[Cell], scores: Sequence[float]) -> None:
    """Raises CorpusError for the score that lies farthest from all others, if it does by far."""
    first, third = np.quantile(scores, (0.25, 0.75))
    spread = third - first
    if spread == 0:
        return
    distances = np.maximum(first - np.asarray(scores), np.asarray(scores) - third) / spread
    farthest = int(np.argmax(distances))
    if distances[farthest] > OUTLIER_RANGES:
        cell = numbers[farthest]
        raise cell.row.error(
            f"{cell.column} is {cell.value}, but half of all labels lie between "
            f"{first:g} and {third:g}; correct it, or leave the cell empty"
        )


def _classes(labels: Sequence[Cell]) -> tuple[Task, list[str]]:
    """Classes by name; names that differ only in case and blanks are one class."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in labels:
        spellings[fold(cell.value)][cell.value] += 1
    classes: list[str] = []
    notes: list[str] = []
    for counts in spellings.values():
        usual = min(counts, key=lambda spelling: (-counts[spelling], spelling))
        classes.append(usual)
        if len(counts) > 1:
            others = sorted(counts.keys() - {usual})
            verb = "is" if len(others) == 1 else "are"
            notes.append(f"{', '.join(map(repr, others))} {verb} read as the class {usual!r}")
    classes.sort()

    if len(classes) < 2:
        path = labels[0].row.path
        raise CorpusError(
            f"{path}: every label is {classes[0]!r}; a task needs at least two classes"
        )
    if set(map(fold, classes)) == {"false", "true"}:
        return Task("binary", (classes[0], classes[1])), notes
    return Task("single-label", tuple(classes)), notes
