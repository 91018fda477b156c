"""Several trainings in a terminal: one model over its seeds, and the best trials of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.core import counted
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    text_cell,
    text_row,
)
from semanticmac.eval.report.write_terminal import to_terminal
from semanticmac.run.metric import VALIDATION_METRICS, mean_and_std
from semanticmac.train.experiments.folds import FoldRun
from semanticmac.train.experiments.optuna_study import Point
from semanticmac.train.experiments.seeds import SeedRun
from semanticmac.train.experiments.sweep import short

_BEST = 5  # trials of a sweep, side by side in 80 columns


def seeds_table(dataset: str, runs: Sequence[SeedRun]) -> Group:
    """One row for each seed, then mean and spread; failures with their reasons below."""
    title = Text(f"{dataset} · {counted(len(runs), 'seed')}", "italic")
    below = []
    for run in runs:
        if run.failure is not None:
            below.append(plain_text(f"seed {run.seed} failed: {run.failure}", "bold red"))
    results = seed_results(runs)
    below += [Text(note) for note in results.notes]
    return Group(title, to_terminal(results, notes=False), *below)


def folds_table(dataset: str, runs: Sequence[FoldRun]) -> Group:
    """One row for each fold, then mean and spread; failures with their reasons below."""
    header = _validation_metric(runs)
    rows, scores, below = [], [], []
    for number, run in enumerate(runs):
        score = _score(header, run.valid_score)
        if run.failure is not None:
            below.append(plain_text(f"fold {number} failed: {run.failure}", "bold red"))
            score = text_cell("failed", "bad")
        else:
            scores.append(run.valid_score)
        speakers = ", ".join(run.speakers[:5]) + (" …" if len(run.speakers) > 5 else "")
        rows.append(Row(str(number), (text_cell(speakers), text_cell(run.best_epoch or ""), score)))
    if len(scores) > 1:
        mean, std = mean_and_std(scores)
        cells = (text_cell(""), text_cell(""), _score(header, mean, std))
        rows.append(Row("", cells, style="strong"))
    columns = (Column("test speakers", left=True), Column("best epoch"), Column(header))
    results = ResultsTable("", columns, tuple(rows), corner="fold", names_right=True)
    title = Text(f"{dataset} · {counted(len(runs), 'fold')}", "italic")
    note = Text("validation scores, of other speakers than those that are trained or tested on")
    return Group(title, to_terminal(results, notes=False), *below, note)


def seed_results(runs: Sequence[SeedRun]) -> ResultsTable:
    """The validation score of every seed, and their mean."""
    finished = [run for run in runs if run.valid_score is not None]
    header = _validation_metric(finished)
    rows = []
    for run in runs:
        score = _score(header, run.valid_score)
        if run.valid_score is None:
            score = text_cell("failed", "bad")
        rows.append(Row(str(run.seed), (text_cell(run.best_epoch or ""), score)))
    notes: tuple[str, ...] = ()
    if len(finished) > 1:
        mean, std = mean_and_std([run.valid_score for run in finished])
        rows.append(Row("", (text_cell(""), _score(header, mean, std)), style="strong"))
        notes = ("mean ± sample standard deviation; nothing is chosen between seeds",)
    columns = (Column("best epoch"), Column(header))
    return ResultsTable("", columns, tuple(rows), corner="seed", names_right=True, notes=notes)


def sweep_table(
    dataset: str, points: Sequence[Point], by_score: Sequence[Point], metric: str
) -> Group:
    """The best trials side by side, the best first; failures with their reasons below."""
    best = by_score[:_BEST]
    words = f"{dataset} · {counted(len(points), 'trial')}"
    if best:
        words += f", the best {len(best)}"
    views: list[object] = [Text(words, "italic")]
    if best:
        views.append(to_terminal(sweep_results(best, metric)))
    reasons = Counter(point.failure for point in points if point.failure is not None)
    for reason, count in reasons.most_common():
        views.append(plain_text(f"{count} failed: {reason}", "bold red"))
    unfinished = sum(point.score is None and point.failure is None for point in points)
    if unfinished:
        views.append(Text(f"{unfinished} under way in other processes, or stopped"))
    views.append(Text("chosen on validation; test was not read"))
    return Group(*views)  # type: ignore[arg-type]


def sweep_results(best: Sequence[Point], metric: str) -> ResultsTable:
    """One column for each trial: its score, its best epoch and its settings."""
    rows = [
        Row(metric, tuple(_score(metric, point.score) for point in best), style="strong"),
        text_row("best epoch", *(point.best_epoch for point in best)),
    ]
    for name in best[0].settings:
        rows.append(text_row(name, *(short(point.settings[name]) for point in best)))
    columns = tuple(Column(f"trial {point.number}") for point in best)
    return ResultsTable("", columns, tuple(rows))


def _validation_metric(runs: Sequence[SeedRun | FoldRun]) -> str:
    """The name of the first metric that a run has."""
    for run in runs:
        if run.valid_metric:
            return run.valid_metric
    return "validation"


def _score(name: str, value: float | None, spread: float | None = None) -> Cell:
    metric = VALIDATION_METRICS.get(name)
    if metric is not None and metric.unit == "percent":
        return Cell(value, spread, unit="percent", digits=2)
    return Cell(value, spread, unit="number", digits=4)
