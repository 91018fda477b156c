"""The probes of streams as a ResultsTable, and as JSON."""

from __future__ import annotations

from dataclasses import replace

from semanticmac.eval.metrics.scores import find
from semanticmac.eval.report.paper import quoted_probe
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    metric_cell,
    metric_columns,
    text_cell,
)
from semanticmac.eval.stream_probe import ProbeReport, StreamScore
from semanticmac.run.metric import Metric, digits_of, values_by_name

PAPER_CORPUS = "mosei"  # the paper's Table XI has this corpus alone
MOST_METRICS = 4  # what 80 columns hold; the CSV has all
MOST_INTERVALS = 2  # with more metrics, the main one alone has its interval in the table


def probe_table(report: ProbeReport) -> ResultsTable:
    """The constant first, then the streams from the best to the worst; on MOSEI the paper's too."""
    metrics = shown_metrics(report)
    with_interval = [metric.name for metric in metrics[:MOST_INTERVALS]]
    if len(metrics) > MOST_INTERVALS:
        with_interval = with_interval[:1]
    rows = [_row(report.constant, metrics, with_interval)]
    for stream in report.streams:
        rows.append(_row(stream, metrics, with_interval))
    if report.plan.manifest.corpus == PAPER_CORPUS:
        rows += _quoted_rows(metrics, with_interval)
    columns = [Column("modality", left=True)]
    for column, metric in zip(metric_columns(metrics), metrics, strict=True):
        columns.append(column)
        if metric.name in with_interval:
            header = f"95 % interval of {metric.name}"
            columns.append(Column(header, "95 %\ninterval"))
    if any(stream.lacking for stream in report.streams):
        columns.append(Column("clips without", "clips\nwithout"))
    else:  # A terminal has no space to spare.
        rows = [replace(row, cells=row.cells[:-1]) for row in rows]
    plan = report.plan
    scored = "speaker left out" if len(plan.folds) > 1 else plan.split
    return ResultsTable(
        f"{plan.manifest.dataset} · linear probes · {scored}",
        tuple(columns),
        tuple(rows),
        notes=report.notes,
        dataset=plan.manifest.dataset,
        split=plan.split,
    )


def shown_metrics(report: ProbeReport) -> list[Metric]:
    """The main metric first, then the others of the whole split."""
    metrics = report.constant.metrics
    shown = [find(metrics, report.constant.scores.main)]
    for metric in metrics:
        if metric.headline and metric.name != shown[0].name:
            shown.append(metric)
    # Acc-3 is the last, and Table XI needs it.
    if len(shown) > MOST_METRICS:
        shown = [*shown[: MOST_METRICS - 1], shown[-1]]
    return shown


def probe_json(report: ProbeReport) -> dict[str, object]:
    """All metrics of all streams at full precision."""
    streams = []
    for stream in (report.constant, *report.streams):
        low_high = {each.name: [each.low, each.high] for each in stream.intervals}
        streams.append(
            {
                "name": stream.name,
                "modality": stream.modality,
                "folder": "" if stream.stream is None else stream.stream.name,
                "width": None if stream.stream is None else stream.stream.width,
                "clips_without": stream.lacking,
                "strengths": list(stream.strengths),
                "metrics": values_by_name(stream.metrics),
                "intervals": low_high,
            }
        )
    plan = report.plan
    return {
        "dataset": plan.manifest.dataset,
        "split": plan.split,
        "scored": len(plan.scored),
        "folds": len(plan.folds),
        "main": report.constant.scores.main,
        "streams": streams,
        "notes": list(report.notes),
    }


def _row(stream: StreamScore, metrics: list[Metric], with_interval: list[str]) -> Row:
    cells: list[Cell] = [text_cell(stream.modality)]
    for metric in metrics:
        cells.append(metric_cell([find(stream.metrics, metric.name).value], metric))
        if metric.name in with_interval:
            interval = stream.interval_of(metric.name)
            number = Cell(unit=metric.unit, digits=digits_of(metric.unit))
            cells.append(replace(number, low=interval.low, high=interval.high))
    if stream.stream is None:
        return Row(stream.name, (*cells, text_cell("")), origin="constant", style="quiet")
    cells.append(text_cell(stream.lacking or ""))
    return Row(stream.name, tuple(cells), origin="measured")


def _quoted_rows(metrics: list[Metric], with_interval: list[str]) -> list[Row]:
    """The paper's numbers, by its keys of metrics."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for modality, feature, key, value in quoted_probe():
        values.setdefault((modality, feature), {})[key] = value
    rows = []
    for (modality, feature), quoted in values.items():
        cells: list[Cell | None] = [text_cell(modality)]
        for metric in metrics:
            keys = [key for key in metric.paper_keys if key in quoted]
            cells.append(text_cell(quoted[keys[0]]) if keys else None)
            if metric.name in with_interval:
                cells.append(None)
        name = f"{feature} (paper)"
        rows.append(Row(name, (*cells, None), origin="quoted", style="quiet"))
    return rows
