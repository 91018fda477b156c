"""Score columns of a table: `score_NAME`, or `score_NAME[LOW:HIGH]` with the range of the score."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from semanticmac.core import Dimension, Label, Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.label_task import Cell, score_range, spelling_notes
from semanticmac.preprocess.corpora.labels import (
    is_missing,
    refuse_dash,
    refuse_nan,
    with_decimal_point,
)
from semanticmac.preprocess.corpora.tables import Row, is_number, with_ascii_minus

PREFIX = "score_"
_COLUMN = re.compile(r"score_(?P<name>[^\[\]]*?)\s*(?:\[(?P<low>[^:\]]+):(?P<high>[^:\]]+)\])?")


def score_columns(path: Path, columns: Sequence[str]) -> dict[str, str]:
    """The score columns of a table: column → name of its score, in the order of the table.

    Raises CorpusError for a column that begins like one and cannot be read.
    """
    names: dict[str, str] = {}
    for column in columns:
        if not column.startswith(PREFIX):
            continue
        match = _COLUMN.fullmatch(column)
        if match is None or not match["name"].strip():
            raise CorpusError(
                f"{path}, line 1: the column {column!r} begins with {PREFIX}, but it is neither "
                f"{PREFIX}NAME nor {PREFIX}NAME[LOW:HIGH], as score_valence[1:5]"
            )
        name = match["name"].strip()
        if name in names.values():
            raise CorpusError(f"{path}, line 1: two columns have the score {name!r}; keep one")
        names[column] = name
    return names


def find_scores_task(
    path: Path, rows: Sequence[Row], columns: Mapping[str, str]
) -> tuple[Task | None, list[str]]:
    """The task of all score columns and notes; no task if no cell has a score.

    A range in the header is taken as it is. Without one, the range follows from the scores of the
    column, as for the column `label`. Raises CorpusError with file and line for a cell that is not
    a number, for an outlier, and for an empty range.
    """
    dimensions: list[Dimension] = []
    notes: list[str] = []
    empty: list[str] = []
    for column, name in columns.items():
        cells = _cells(rows, column)
        limits = _header_range(path, column)
        if not cells:
            empty.append(column)
        if limits is None and cells:
            low, high, range_notes = score_range(cells)
            limits = low, high
            notes += [f"{column}: {note}" for note in range_notes]
        notes += [f"{column}: {note}" for note in spelling_notes(cells)]
        if limits is not None:
            dimensions.append(Dimension(name, *limits))
    if len(empty) == len(columns):
        return None, notes
    if empty:
        raise CorpusError(
            f"{path}: the column {empty[0]} has no score in any line; fill it in, or remove it"
        )
    return Task("regression", dimensions=tuple(dimensions)), notes


def read_scores(row: Row, task: Task, columns: Mapping[str, str]) -> Label | None:
    """The scores of one row in the order of the task; None if it has none.

    An empty cell and `NA` are a score that is not annotated. Raises CorpusError with file and line
    for a score outside its range, and for a cell that is not a number.
    """
    score_of: dict[str, float] = {}
    for column, name in columns.items():
        value = row.text(column)
        if not is_missing(value):
            refuse_nan(row, column, value)
            refuse_dash(row, column, value)
            score_of[name] = row.parse_number(with_decimal_point(value), f"the {column}")
    label = tuple(score_of.get(name) for name in task.names)
    try:
        return label if task.encode(label) is not None else None
    except ValueError as error:
        raise row.error(str(error)) from error


def _cells(rows: Sequence[Row], column: str) -> list[Cell]:
    """The cells of a column that hold a score. Raises CorpusError for one that is no number."""
    cells: list[Cell] = []
    for row in rows:
        value = row.text(column)
        if is_missing(value):
            continue
        refuse_nan(row, column, value)
        refuse_dash(row, column, value)
        if not is_number(with_decimal_point(value)):
            raise row.error(
                f"{column} is {value!r}, expected a number; leave the cell empty if the clip is "
                "not annotated"
            )
        cells.append(Cell(row, column, value))
    return cells


def _header_range(path: Path, column: str) -> tuple[float, float] | None:
    """The range in the name of a column; None where it has none."""
    match = _COLUMN.fullmatch(column)
    if match is None or match["low"] is None:
        return None
    texts = match["low"].strip(), match["high"].strip()
    if all(map(is_number, texts)):
        low, high = map(float, map(with_ascii_minus, texts))
        if -math.inf < low < high < math.inf:
            return low, high
    raise CorpusError(
        f"{path}, line 1: the range of {column} is not LOW:HIGH with two numbers, the first the "
        "smaller one, as in score_valence[1:5]"
    )
