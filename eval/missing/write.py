"""Writes the files of missing data: a table as CSV, and a picture where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.missing.tables import CSV_COLUMNS, NamedSummary, csv_rows
from semanticmac.eval.report.csv_text import csv_text
from semanticmac.run.metric import Metric

ENDINGS = ("csv", "png", "svg")


def write_missing(
    models: Sequence[NamedSummary], metric: Metric, folder: Path, name: str
) -> tuple[list[Path], str]:
    """NAME.csv, NAME.png and NAME.svg → their paths, and a note where there is no picture.

    models: all under one protocol. Without a picture, an older one of that name is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from semanticmac.eval.missing.picture import missing_figure
    except ImportError as error:
        remove_missing(folder, name)
        path = folder / f"{name}.csv"
        write_text(path, csv_text([CSV_COLUMNS, *csv_rows(models)]))
        return [path], str(error)
    return replace(missing_figure(models, metric), name=name).write(folder), ""


def remove_missing(folder: Path, name: str) -> list[Path]:
    """Removes the files that `write_missing` wrote → those that were there."""
    removed = []
    for ending in ENDINGS:
        path = folder / f"{name}.{ending}"
        if path.exists():
            path.unlink()
            removed.append(path)
    return removed
