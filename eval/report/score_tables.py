"""Scores as ResultsTables: models, classes, confusion matrix; and scores as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from semanticmac.core import counted
from semanticmac.eval.metrics.bootstrap import Interval
from semanticmac.eval.metrics.scores import Baseline, Scores, find
from semanticmac.eval.report.paper import (
    ARXIV,
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
    text_row,
)
from semanticmac.run.metric import Metric, mean_and_std

# --paper → how the names of the shown models of the paper begin
PAPER_MODELS = {"own": "SemanticMAC", "all": "", "none": "nobody"}
PAPER_COLUMNS = 3  # metrics in one table beside the paper, which then fits 80 columns
_SHORT_SETTINGS = {"utterance": "utter.", "conversation": "conv."}
_TERMINAL_WIDTH = 80


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


def class_table(scores: Scores) -> ResultsTable:
    """Each class: its clips, those predicted as it, precision, recall and F1."""
    if not scores.classes:
        raise ValueError("there are no classes to show: this is a regression task")
    headers = ("clips", "predicted", "right", "precision", "recall", "F1")
    rows = []
    for figures in scores.classes:
        counts = text_row(figures.name, figures.support, figures.predicted, figures.right)
        rates = (Cell(figures.precision), Cell(figures.recall), Cell(figures.f1))
        rows.append(replace(counts, cells=(*counts.cells, *rates)))
    return ResultsTable("each class", tuple(map(Column, headers)), tuple(rows))


def confusion_table(scores: Scores) -> ResultsTable:
    """Rows truth, columns prediction, in clips; shaded by the share of the row."""
    if not scores.confusion:
        raise ValueError(
            "there is no confusion matrix: this task does not give every clip one class"
        )
    columns = []
    rows = []
    for figures, counts in zip(scores.classes, scores.confusion, strict=True):
        total = max(sum(counts), 1)
        cells = []
        for count in counts:
            cells.append(replace(text_cell(count), shade=count / total))
        columns.append(Column(figures.name))
        rows.append(Row(figures.name, tuple(cells)))
    return ResultsTable(
        "confusion, clips", tuple(columns), tuple(rows), corner="true ↓ predicted →"
    )


def numbered(confusion: ResultsTable) -> ResultsTable:
    """The confusion matrix with numbers for columns, where the names exceed 80 columns."""
    width = len(confusion.corner) + 2
    for column in confusion.columns:
        width += len(column.header) + 2
    if width <= _TERMINAL_WIDTH:
        return confusion
    numbers = list(map(str, range(1, len(confusion.columns) + 1)))
    digits = len(numbers[-1])
    rows = []
    for number, row in zip(numbers, confusion.rows, strict=True):
        rows.append(replace(row, name=f"{number:>{digits}} {row.name}"))
    return replace(confusion, columns=tuple(map(Column, numbers)), rows=tuple(rows))


def scores_json(
    runs: Sequence[Scores],
    dataset: str,
    split: str,
    *,
    intervals: Sequence[Interval] = (),
    notes: Sequence[str] = (),
) -> dict[str, object]:
    """All scores at full precision, for json.dumps(…, allow_nan=False); undefined is null."""
    require_same_metrics(runs)
    summary = {}
    for metric in runs[0].metrics:
        mean, std = mean_and_std(_values(runs, metric.name))
        summary[metric.name] = {"mean": mean, "std": std}
    return {
        "dataset": dataset,
        "split": split,
        "main": runs[0].main,
        "summary": summary,
        "intervals": list(map(asdict, intervals)),
        "notes": list(notes),
        "runs": list(map(asdict, runs)),
    }


def quoted_json(results: ResultsTable) -> list[dict[str, object]]:
    """The models of the paper for JSON; our own numbers are in `scores_json`."""
    models: list[dict[str, object]] = []
    for row in results.rows:
        if row.origin == "quoted":
            printed = {}
            for column, cell in zip(results.columns, row.cells, strict=True):
                if cell is not None:
                    printed[column.header] = cell.text
            models.append(
                {"model": row.name, "setting": row.setting, "source": ARXIV, "printed": printed}
            )
    return models


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


def _values(runs: Sequence[Scores], name: str) -> list[float | None]:
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
        cell = metric_cell(_values(runs, metric.name), metric, digits)
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
