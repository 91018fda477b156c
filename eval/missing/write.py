"""Writes the files of missing data: a table as CSV, and a picture where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.missing.tables import CSV_COLUMNS, NamedSummary, csv_rows
from semanticmac.eval.report.csv_text import csv_text
from semanticmac.run.metric import Metric


def write_missing(
    models: Sequence[NamedSummary], metric: Metric, folder: Path
) -> tuple[list[Path], str]:
    """missing-PROTOCOL.csv, .png and .svg → their paths, and a note where there is no picture.

    models: all under one protocol.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from semanticmac.eval.missing.picture import missing_figure
    except ImportError as error:
        path = folder / f"missing-{models[0].summary.protocol}.csv"
        write_text(path, csv_text([CSV_COLUMNS, *csv_rows(models)]))
        return [path], str(error)
    return missing_figure(models, metric).write(folder), ""
