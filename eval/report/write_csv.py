"""A ResultsTable as CSV: one line for each row and column, at full precision."""

from __future__ import annotations

from semanticmac.eval.report.csv_text import csv_text
from semanticmac.eval.report.results_table import ResultsTable

HEADER = (
    "dataset",
    "split",
    "model",
    "setting",
    "origin",
    "metric",
    "runs",
    "mean",
    "std",
    "low95",
    "high95",
)


def to_csv(results: ResultsTable) -> str:
    """Our numbers are fractions; those of the paper are as printed, in their unit."""
    lines: list[tuple[object, ...]] = [HEADER]
    for row in results.rows:
        for column, cell in zip(results.columns, row.cells, strict=True):
            if cell is None:
                continue
            about = (results.dataset, results.split, row.name, row.setting, row.origin)
            mean = cell.text or cell.value
            numbers = (cell.runs or "", mean, cell.spread, cell.low, cell.high)
            lines.append((*about, column.header, *numbers))
    return csv_text(lines)
