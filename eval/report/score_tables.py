"""Scores as ResultsTables: the models of the paper, the constant baselines, ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semanticmac.core import counted
from semanticmac.eval.metrics.bootstrap import Interval
from semanticmac.eval.metrics.scores import Baseline, Scores, find
from semanticmac.eval.report.paper import (
    QUOTED_NOTE,
    Quoted,
    counterpart,
    quoted_clips,
    quoted_columns,
)
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    metric_cell,
    metric_columns,
    text_cell,
)
from semanticmac.run.metric import Metric

# --paper → how the names of the shown models of the paper begin
PAPER_MODELS = {"own": "SemanticMAC", "all": "", "none": "nobody"}
PAPER_COLUMNS = 3  # metrics in one table beside the paper, which then fits 80 columns
_SHORT_SETTINGS = {"utterance": "utter.", "conversation": "conv."}


class ReportError(ValueError):
    """Scores that cannot stand in one table; the message says why."""


def results_table(
    runs: Sequence[Scores],
    dataset: str,
    corpus: str,
    split: str,
    intervals: Sequence[Interval] = (),
    paper: str = "own",
    notes: Sequence[str] = (),
) -> ResultsTable:
    """One row for each model: those of the paper, then the constant baselines, then ours.

    Several runs are seeds of one model: mean and spread, never the best. `intervals` belong to a
    single run. `dataset` is the name in the cache, `corpus` the one in the paper. `paper` is a key
    of PAPER_MODELS. `notes`, such as an untrained encoder, are printed before all other notes.

    Raises ReportError where the runs have different metrics.
    """
    require_same_metrics(runs)
    if intervals and len(runs) > 1:
        raise ValueError(
            f"intervals belong to one run, but {len(runs)} runs are reported: "
            "their spread stands instead"
        )
    if paper not in PAPER_MODELS:
        raise ValueError(f"--paper {paper}: expected {', '.join(PAPER_MODELS)}")
    metrics = runs[0].metrics
    quoted = _quoted_rows(metrics, corpus, PAPER_MODELS[paper])
    digits = _percent_digits(quoted)
    rows = [*quoted]
    for baseline in runs[0].baselines:
        rows.append(_baseline_row(baseline, metrics, digits))
    rows.append(_our_row(runs, intervals, digits))

    ours = "one run"
    if len(runs) > 1:
        ours = f"{len(runs)} runs, mean and sample standard deviation"
    title = f"{dataset} · {split}"
    caption = f"{dataset}, {split}; ours: {ours}."
    remarks = _remarks(runs)
    if quoted:
        sizes = _sizes(corpus, split, runs[0].scored)
        if sizes:
            title += f" · {sizes}"
            caption = f"{dataset}, {split} ({sizes}); ours: {ours}."
        caption += f" {QUOTED_NOTE}."
        remarks.append(QUOTED_NOTE)
    return ResultsTable(
        title,
        metric_columns(metrics),
        tuple(rows),
        warnings=(*notes, *_collapse(runs)),
        notes=tuple(remarks),
        caption=caption,
        dataset=dataset,
        split=split,
    )


def metrics_down(results: ResultsTable) -> ResultsTable:
    """The same results with one metric in each row: ours, its interval, constants, the paper."""
    *others, ours = results.rows
    constants = []
    quoted = []
    for row in others:
        if row.origin == "constant":
            constants.append(row)
        elif row.origin == "quoted":
            quoted.append(row)
    our_cells = [cell or Cell() for cell in ours.cells]
    runs = our_cells[0].runs
    has_intervals = runs == 1 and any(cell.low is not None for cell in our_cells)

    columns = [Column("ours", "ours" if runs == 1 else f"ours,\n{runs} runs", style="strong")]
    if has_intervals:
        columns.append(Column("95 % interval", "95 %\ninterval"))
    for row in constants:
        columns.append(Column(row.name, row.name.replace(" ", "\n")))
    for row in quoted:
        header = f"{row.name}, {row.setting}, quoted"
        columns.append(Column(header, _short_header(row, quoted), style="quiet"))

    rows = []
    for place, column in enumerate(results.columns):
        cells: list[Cell | None] = [our_cells[place]]
        if has_intervals:
            cells.append(replace(our_cells[place], value=None))
        for row in (*constants, *quoted):
            cells.append(row.cells[place])
        rows.append(Row(column.header, tuple(cells)))
    return replace(results, columns=tuple(columns), rows=tuple(rows))


def paper_tables(results: ResultsTable) -> list[ResultsTable]:
    """The metrics that the paper prints, a few in each table, with all models that have one."""
    places = results.quoted_places
    tables = []
    for start in range(0, len(places), PAPER_COLUMNS):
        part = results.select(places[start : start + PAPER_COLUMNS])
        rows = []
        for row in part.rows:
            if any(row.cells):
                rows.append(_beside_paper(row))
        title = f"{results.title} · beside the paper's table"
        last = start + PAPER_COLUMNS >= len(places)
        notes = (QUOTED_NOTE,) if last else ()
        tables.append(replace(part, title=title, rows=tuple(rows), warnings=(), notes=notes))
    return tables


def require_same_metrics(runs: Sequence[Scores]) -> None:
    """Raises ReportError where runs have different metrics, ValueError where there are none."""
    if not runs:
        raise ValueError("there are no scores to report: give one Scores, or one for each seed")
    names = _metric_names(runs[0])
    for run in runs[1:]:
        if _metric_names(run) != names:
            raise ReportError(
                "these runs were scored by different metrics: report each dataset by itself"
            )


def _metric_names(run: Scores) -> list[str]:
    return [metric.name for metric in run.metrics]


def values_of(runs: Sequence[Scores], name: str) -> list[float | None]:
    """One metric of every run."""
    return [run[name].value for run in runs]


def metric_notes(runs: Sequence[Scores]) -> list[str]:
    """The notes and remarks of every metric, without repetition."""
    notes: dict[str, None] = {}
    for run in runs:
        for metric in run.metrics:
            notes[metric.note] = None
            notes[metric.remark] = None
    notes.pop("", None)
    return list(notes)


def _quoted_rows(metrics: Sequence[Metric], corpus: str, models: str) -> list[Row]:
    """The models of the paper that have at least one of our metrics."""
    rows = []
    for (model, setting), column in quoted_columns(corpus, models).items():
        cells = []
        for metric in metrics:
            cells.append(_quoted_cell(counterpart(metric, column)))
        if any(cells):
            rows.append(Row(model, tuple(cells), "quoted", setting))
    return rows


def _sizes(corpus: str, split: str, clips: int) -> str:
    """Both numbers of clips, where the paper's results are of another test set than ours."""
    paper_clips = quoted_clips(corpus, "test")
    if paper_clips is None or (split == "test" and clips == paper_clips):
        return ""
    of_test = "" if split == "test" else " of test"
    return f"{counted(clips, 'clip')} here, {paper_clips}{of_test} in the paper"


def _quoted_cell(number: Quoted | None) -> Cell | None:
    return None if number is None else text_cell(number.printed)


def _percent_digits(quoted: Sequence[Row]) -> int:
    """As many digits after the point as the paper prints; one where it prints nothing.

    MAE and correlation, printed with three digits, do not count.
    """
    most = 1
    for row in quoted:
        for cell in row.cells:
            if cell is not None:
                digits = len(cell.text.partition(".")[2])
                most = max(most, digits if digits <= 2 else 1)
    return most


def _baseline_row(baseline: Baseline, metrics: Sequence[Metric], digits: int) -> Row:
    cells = []
    for metric in metrics:
        value = find(baseline.metrics, metric.name).value
        cells.append(metric_cell([value], metric, digits))
    return Row(baseline.name, tuple(cells), "constant")


def _our_row(runs: Sequence[Scores], intervals: Sequence[Interval], digits: int) -> Row:
    interval_of = {}
    for interval in intervals:
        interval_of[interval.name] = interval
    cells = []
    for metric in runs[0].metrics:
        cell = metric_cell(values_of(runs, metric.name), metric, digits)
        if metric.name in interval_of:
            interval = interval_of[metric.name]
            cell = replace(cell, low=interval.low, high=interval.high)
        cells.append(cell)
    return Row("ours", tuple(cells), "measured")


def _beside_paper(row: Row) -> Row:
    """The row with a short name, and with the style of its origin."""
    name = f"{row.name}, conv." if row.setting == "conversation" else row.name
    if row.origin == "quoted":
        return replace(row, name=name, style="quiet")
    return replace(row, name=name, style="strong" if row.origin == "measured" else "")


def _short_header(row: Row, quoted: Sequence[Row]) -> str:
    """Variant and setting of a quoted model, without what all quoted models share."""
    variant = row.name.partition("-")[2]
    lines = ["paper"]
    if variant:
        lines.append(variant)
    if len({other.setting for other in quoted}) > 1:
        lines.append(_SHORT_SETTINGS.get(row.setting, row.setting))
    return "\n".join([*lines, "quoted"])


def _collapse(runs: Sequence[Scores]) -> list[str]:
    reasons = []
    for run in runs:
        if run.collapsed:
            reasons.append(run.why_collapsed)
    if not reasons:
        return []
    subject = "The model collapsed"
    if len(runs) > 1:
        subject = f"{len(reasons)} of {len(runs)} runs collapsed"
    return [f"{subject}: {'; '.join(dict.fromkeys(reasons))}."]


def _remarks(runs: Sequence[Scores]) -> list[str]:
    """How many clips were scored, what the numbers are, and the notes of the metrics."""
    clips = f"{counted(runs[0].scored, 'clip')} scored"
    if runs[0].unlabelled:
        clips += f", {runs[0].unlabelled} without a label left out"
    remarks = [f"{clips}; judged by {runs[0].main}"]
    if len(runs) > 1:
        remarks.append("mean ± standard deviation over runs; baselines are those of the first")
    return remarks + metric_notes(runs)
