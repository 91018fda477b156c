"""A ResultsTable for a terminal: a Rich table that fits 80 columns."""

from __future__ import annotations

from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from semanticmac.eval.report.results_table import ResultsTable, Style, format_cell

WIDTH = 80
_STYLES: dict[Style, str] = {
    "": "",
    "strong": "bold",
    "quiet": "dim",
    "good": "green",
    "bad": "red",
}


def to_terminal(
    results: ResultsTable, *, min_width: int = 0, spread_below: bool = False, notes: bool = True
) -> Table:
    """Names and texts are printed as they are: brackets in them are no markup.

    spread_below: the spread of a number is on a line of its own, for tables with many columns. A
    table that is wider than 80 columns is printed so in any case: no number may be cropped.
    notes: print warnings and notes below the table, as wide as the table is.
    """
    table = Table(
        title=escape(results.title) or None,
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
        min_width=min_width or None,
    )
    table.add_column(
        Text(results.corner), justify="right" if results.names_right else "left", no_wrap=True
    )
    for column in results.columns:
        table.add_column(
            Text(column.short or column.header),
            justify="left" if column.left else "right",
            style=_STYLES[column.style],
            no_wrap=True,
        )
    is_narrow = spread_below or _width(results) > WIDTH
    plus_minus = "\n± " if is_narrow else " ± "
    for row in results.rows:
        texts = [Text(row.name, "bold" if row.strong_name else "")]
        for cell in row.cells:
            style = "" if cell is None else _STYLES[cell.style]
            texts.append(Text(format_cell(cell, plus_minus), style))
        table.add_row(*texts, style=_STYLES[row.style])

    below = [Text(warning, "bold") for warning in results.warnings]
    below += [Text(note) for note in results.notes]
    if below and notes:
        table.caption = Text("\n").join(below)
    return table


def _width(results: ResultsTable) -> int:
    """Columns of the terminal that the table needs with every spread beside its number."""
    width = 2 + max(cell_len(text) for text in (results.corner, *_names(results)))
    for number, column in enumerate(results.columns):
        texts = (column.short or column.header).split("\n")
        for row in results.rows:
            texts.append(format_cell(row.cells[number], " ± "))
        width += 2 + max(map(cell_len, texts))
    return width


def _names(results: ResultsTable) -> list[str]:
    return [row.name for row in results.rows]
