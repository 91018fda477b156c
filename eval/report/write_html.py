"""A ResultsTable as the HTML page reads it: texts, CSS classes and colours of all cells."""

from __future__ import annotations

from dataclasses import dataclass

from semanticmac.eval.report.results_table import UNDEFINED, Cell, Column, ResultsTable, format_cell


@dataclass(frozen=True)
class HtmlCell:
    """One <td>."""

    text: str
    css_class: str = ""
    css_style: str = ""


@dataclass(frozen=True)
class HtmlTable:
    """Everything that the template's macro `grid` needs; the template escapes the texts."""

    head: tuple[str, ...]
    rows: tuple[tuple[HtmlCell, ...], ...]
    css_class: str


def to_html(results: ResultsTable) -> HtmlTable:
    """A table with shades becomes a heat map."""
    rows = []
    shaded = False
    for row in results.rows:
        cells = [HtmlCell(row.name)]
        for column, cell in zip(results.columns, row.cells, strict=True):
            cells.append(_html_cell(column, cell))
            shaded = shaded or (cell is not None and cell.shade is not None)
        rows.append(tuple(cells))
    head = (results.corner, *(column.header for column in results.columns))
    return HtmlTable(head, tuple(rows), "shaded" if shaded else "")


def _html_cell(column: Column, cell: Cell | None) -> HtmlCell:
    text = format_cell(cell)
    css_class = "undefined" if text == UNDEFINED else ""
    if column.style == "strong":
        css_class = "own"
    if cell is None or cell.shade is None:
        return HtmlCell(text, css_class)
    return HtmlCell(text, css_class, f"background: rgba(0, 114, 178, {0.55 * cell.shade:.3f})")
