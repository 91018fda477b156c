"""Scores against the rate of missing data as tables and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.core import counted
from semanticmac.eval.missing.request import PROTOCOLS, SUBSETS
from semanticmac.eval.missing.summary import MeanStd, MissingSummary
from semanticmac.eval.report.formatting import percent
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    narrow_columns,
    text_cell,
)
from semanticmac.run.metric import Metric, digits_of

METRICS = 3  # beside each other in a terminal
CSV_COLUMNS = (
    "model", "split", "protocol", "words", "point", "dropped", "metric", "runs", "draws", "mean",
    "std",
)  # fmt: skip
AREA, MEAN = "area", "mean"


@dataclass(frozen=True)
class NamedSummary:
    """One model of a table or a picture."""

    name: str
    summary: MissingSummary


def model_table(dataset: str, summary: MissingSummary, metrics: Sequence[Metric]) -> ResultsTable:
    """One rate in each row, the area under the curve last; the main metric and others."""
    chosen = _chosen(summary.main, metrics)
    rows = []
    for point in summary.points:
        cells = [_cell(point.values[metric.name], metric) for metric in chosen]
        dropped = text_cell("" if point.dropped is None else percent(point.dropped))
        rows.append(Row(point.name, (dropped, *cells)))
    areas = [_cell(summary.areas[metric.name], metric) for metric in chosen]
    rows.append(Row(area_name(summary), (None, *areas), style="strong"))
    is_subsets = summary.protocol == SUBSETS
    columns = (Column("dropped"), *narrow_columns([metric.name for metric in chosen]))
    table = ResultsTable(
        f"{dataset} · {summary.split} · missing data: {PROTOCOLS[summary.protocol]}",
        columns,
        tuple(rows),
        corner="kept" if is_subsets else "rate",
        names_right=not is_subsets,
        notes=("; ".join(reading_notes(summary)),),
    )
    return table.select(range(1, len(columns))) if is_subsets else table


def models_table(
    dataset: str, models: Sequence[NamedSummary], metric: Metric, shown: Sequence[str] | None = None
) -> ResultsTable:
    """One model in each row, its main metric at each rate, and the area under the curve.

    shown: names of the rates; None = all.
    """
    first = max((model.summary for model in models), key=_count)
    names = [point.name for point in first.points if shown is None or point.name in shown]
    rows = []
    for model in models:
        summary = model.summary
        values = {point.name: point.values[metric.name] for point in summary.points}
        cells: list[Cell | None] = []
        for name in names:
            cells.append(_cell(values[name], metric) if name in values else None)
        # A model that reads fewer modalities has fewer subsets, and their mean says something else.
        is_complete = _count(summary) == _count(first)
        cells.append(_cell(summary.areas[metric.name], metric) if is_complete else None)
        rows.append(Row(model.name, tuple(cells)))
    return ResultsTable(
        f"{dataset} · {first.split} · {metric.name} · missing data: {PROTOCOLS[first.protocol]}",
        (*narrow_columns(names), Column(area_name(first), style="strong")),
        tuple(rows),
        corner="model",
        notes=reading_notes(first),
    )


def _count(summary: MissingSummary) -> int:
    return len(summary.points)


def area_name(summary: MissingSummary) -> str:
    """Subsets are no scale, so their last number is a mean."""
    return MEAN if summary.protocol == SUBSETS else AREA


def reading_notes(summary: MissingSummary) -> tuple[str, ...]:
    """How the numbers were made, one sentence each, without a full stop."""
    words = "a dropped word is absent from the text"
    if summary.text == "unk":
        words = "a dropped word is replaced by the unknown token"
    if summary.protocol == SUBSETS:
        notes = ["modalities that are not named are absent in every clip"]
    else:
        notes = [
            words,
            "dropped: the share of words and frames, mean over modalities and clips",
            "area: the area under the curve, divided by the range of the rates, so a mean score",
            f"{counted(summary.draws, 'draw')} at each rate",
        ]
    if summary.runs > 1:
        notes.append(f"± is the spread between {summary.runs} runs, not between draws")
    elif summary.draws > 1:
        notes.append("± is the spread between draws")
    return tuple(notes)


def csv_rows(models: Sequence[NamedSummary]) -> list[tuple[object, ...]]:
    """All metrics at full precision, under CSV_COLUMNS."""
    rows: list[tuple[object, ...]] = []
    for model in models:
        summary = model.summary
        about = (model.name, summary.split, summary.protocol, summary.text)
        counts = (summary.runs, summary.draws)
        for point in summary.points:
            for metric, value in point.values.items():
                rows.append((*about, point.name, point.dropped, metric, *counts, *value))
        for metric, value in summary.areas.items():
            rows.append((*about, area_name(summary), None, metric, *counts, *value))
    return rows


def _chosen(main: str, metrics: Sequence[Metric]) -> list[Metric]:
    """The main metric and others of the whole split."""
    chosen = [metric for metric in metrics if metric.name == main]
    for metric in metrics:
        if metric.headline and metric.name != main:
            chosen.append(metric)
    return chosen[:METRICS]


def _cell(value: MeanStd, metric: Metric) -> Cell:
    mean, spread = value
    return Cell(mean, spread, unit=metric.unit, digits=digits_of(metric.unit), missing="–")
