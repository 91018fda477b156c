"""A ResultsTable as CSV: one line for each row and column, at full precision."""

from __future__ import annotations

import csv
import io

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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in results.rows:
        for column, cell in zip(results.columns, row.cells, strict=True):
            if cell is None:
                continue
            about = (results.dataset, results.split, row.name, row.setting, row.origin)
            mean = cell.text or cell.value
            numbers = (cell.runs or "", mean, cell.spread, cell.low, cell.high)
            writer.writerow((*about, column.header, *numbers))
    return text.getvalue()
