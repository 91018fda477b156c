"""The classes of a task and their confusion matrix as ResultsTables."""

from __future__ import annotations

from dataclasses import replace

from semanticmac.eval.metrics.scores import Scores
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    text_cell,
    text_row,
)

_TERMINAL_WIDTH = 80


def class_table(scores: Scores) -> ResultsTable:
    """Each class: its clips, those predicted as it, precision, recall and F1."""
    if not scores.classes:
        raise ValueError("there are no classes to show: this is a regression task")
    headers = ("clips", "predicted", "right", "precision", "recall", "F1")
    rows = []
    for figures in scores.classes:
        counts = text_row(figures.name, figures.support, figures.predicted, figures.right)
        rates = (Cell(figures.precision), Cell(figures.recall), Cell(figures.f1))
        rows.append(replace(counts, cells=(*counts.cells, *rates)))
    return ResultsTable("each class", tuple(map(Column, headers)), tuple(rows))


def confusion_table(scores: Scores) -> ResultsTable:
    """Rows truth, columns prediction, in clips; shaded by the share of the row."""
    if not scores.confusion:
        raise ValueError(
            "there is no confusion matrix: this task does not give every clip one class"
        )
    columns = []
    rows = []
    for figures, counts in zip(scores.classes, scores.confusion, strict=True):
        total = max(sum(counts), 1)
        cells = []
        for count in counts:
            cells.append(replace(text_cell(count), shade=count / total))
        columns.append(Column(figures.name))
        rows.append(Row(figures.name, tuple(cells)))
    return ResultsTable(
        "confusion, clips", tuple(columns), tuple(rows), corner="true ↓ predicted →"
    )


def numbered(confusion: ResultsTable) -> ResultsTable:
    """The confusion matrix with numbers for columns, where the names exceed 80 columns."""
    width = len(confusion.corner) + 2
    for column in confusion.columns:
        width += len(column.header) + 2
    if width <= _TERMINAL_WIDTH:
        return confusion
    numbers = list(map(str, range(1, len(confusion.columns) + 1)))
    digits = len(numbers[-1])
    rows = []
    for number, row in zip(numbers, confusion.rows, strict=True):
        rows.append(replace(row, name=f"{number:>{digits}} {row.name}"))
    return replace(confusion, columns=tuple(map(Column, numbers)), rows=tuple(rows))
