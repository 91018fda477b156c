"""ResultsTable: rows, columns and cells of any result, rendered by four writers.

write_terminal.py, write_csv.py, write_latex.py and write_html.py read the same table. Cells hold
full precision; they are rounded when they are printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from semanticmac.run.metric import Metric, Unit, digits_of, format_number, mean_and_std

UNDEFINED = "undefined"

Style = Literal["", "strong", "quiet", "good", "bad"]
# measured: by us; constant: a baseline that ignores the clip; quoted: printed in the paper.
Origin = Literal["", "measured", "constant", "quoted"]


@dataclass(frozen=True)
class Cell:
    """A number with its unit, or a text."""

    value: float | None = None
    spread: float | None = None  # sample standard deviation over runs
    low: float | None = None  # 95 % interval
    high: float | None = None
    unit: Unit = "percent"
    digits: int = 1  # after the point
    signed: bool = False  # print the sign of positive numbers too
    runs: int = 0  # runs that were measured
    text: str = ""  # printed as it is: a name, a count, a number quoted from the paper
    missing: str = UNDEFINED  # printed where there is neither text nor number
    style: Style = ""
    shade: float | None = None  # 0 … 1, for writers that have colours


@dataclass(frozen=True)
class Column:
    """A column of cells; the names of rows are not a column."""

    header: str
    short: str = ""  # the header in short lines for a terminal; empty: the same
    style: Style = ""
    left: bool = False  # aligned left instead of right


@dataclass(frozen=True)
class Row:
    """A row of cells; None: the row has no such number."""

    name: str
    cells: tuple[Cell | None, ...]
    origin: Origin = ""
    setting: str = ""  # of a model in the paper: utterance or conversation
    style: Style = ""
    strong_name: bool = False


@dataclass(frozen=True)
class ResultsTable:
    """Results of one dataset, of several models, of several inputs, and so on."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    corner: str = ""  # header of the names
    names_right: bool = False  # names are numbers, aligned right
    warnings: tuple[str, ...] = ()  # printed before the notes, and louder
    notes: tuple[str, ...] = ()
    caption: str = ""  # one paragraph, for LaTeX
    dataset: str = ""  # for CSV
    split: str = ""

    def select(self, places: Sequence[int]) -> ResultsTable:
        """The same table with some of its columns."""
        rows = []
        for row in self.rows:
            rows.append(replace(row, cells=tuple(row.cells[place] for place in places)))
        columns = tuple(self.columns[place] for place in places)
        return replace(self, columns=columns, rows=tuple(rows))

    @property
    def quoted_places(self) -> list[int]:
        """The columns for which the paper prints a number."""
        places = []
        for place in range(len(self.columns)):
            if any(row.origin == "quoted" and row.cells[place] for row in self.rows):
                places.append(place)
        return places


def metric_cell(
    values: Sequence[float | None], metric: Metric, percent_digits: int = 1, **changes: str
) -> Cell:
    """The values of one metric over runs: their mean and spread."""
    mean, spread = mean_and_std(values)
    digits = digits_of(metric.unit, percent_digits)
    return Cell(mean, spread, unit=metric.unit, digits=digits, runs=len(values), **changes)  # type: ignore[arg-type]


def metric_columns(metrics: Sequence[Metric]) -> tuple[Column, ...]:
    """A column for each metric."""
    return narrow_columns([metric.name for metric in metrics])


def narrow_columns(headers: Sequence[str]) -> tuple[Column, ...]:
    """Columns whose headers have one word in each line of a terminal."""
    columns = []
    for header in headers:
        columns.append(Column(header, header.replace(" ", "\n")))
    return tuple(columns)


def text_cell(text: object, style: Style = "") -> Cell:
    """A text or a count."""
    return Cell(text=str(text), missing="", style=style)


def text_row(name: str, *texts: object) -> Row:
    """A row of texts and counts."""
    return Row(name, tuple(map(text_cell, texts)))


def format_cell(cell: Cell | None, plus_minus: str = " ± ") -> str:
    """A cell as text; empty for a number that the row does not have."""
    if cell is None:
        return ""
    if cell.text:
        return cell.text
    if cell.value is not None:
        spread = "" if cell.spread is None else plus_minus + _number(cell.spread, cell)
        return _number(cell.value, cell) + spread
    if cell.low is not None and cell.high is not None:
        return f"{_number(cell.low, cell)}…{_number(cell.high, cell)}"
    return cell.missing


def _number(value: float, cell: Cell) -> str:
    if not cell.signed:
        return format_number(value, cell.unit, cell.digits)
    text = format_number(abs(value), cell.unit, cell.digits)
    if float(text) == 0:
        return text
    return f"+{text}" if value > 0 else f"−{text}"
