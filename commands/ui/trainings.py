"""Several trainings on the screen: one model over its seeds, and the best trials of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from semanticmac.eval.report.formatting import mean_spread
from semanticmac.train.experiments.optuna_study import Point
from semanticmac.train.experiments.seeds import SeedRun
from semanticmac.train.experiments.sweep import short

_BEST = 5  # trials of a sweep, side by side in 80 columns


def seeds_table(dataset: str, runs: Sequence[SeedRun]) -> Group:
    """A line a seed, then mean ± sample spread; what failed stands below with its reason."""
    done = [run for run in runs if run.valid_score is not None]
    table = _table()
    table.add_column("seed", justify="right")
    table.add_column("best epoch", justify="right")
    table.add_column(
        next((run.valid_metric for run in done if run.valid_metric), "validation"), justify="right"
    )
    for run in runs:
        score = "failed" if run.valid_score is None else f"{run.valid_score:.4f}"
        table.add_row(
            str(run.seed), str(run.best_epoch or ""), Text(score, "" if run in done else "bold red")
        )
    if len(done) > 1:
        mean, std = mean_spread([run.valid_score for run in done])
        table.add_row("", "", f"{mean:.4f} ± {std:.4f}", style="bold")
    failures = [
        Text(f"seed {run.seed} failed: {run.failure}", "bold red")
        for run in runs
        if run.failure is not None
    ]
    notes = (
        ["mean ± sample standard deviation; nothing is chosen between seeds"]
        if len(done) > 1
        else []
    )
    return Group(_title(f"{dataset} · {len(runs)} seeds"), table, *failures, *map(Text, notes))


def sweep_table(
    dataset: str, points: Sequence[Point], by_score: Sequence[Point], metric: str
) -> Group:
    """A column a trial, the best first: its score, then what was drawn for it."""
    best = by_score[:_BEST]
    table = _table()
    table.add_column("", no_wrap=True)
    for point in best:
        table.add_column(f"trial {point.number}", justify="right", no_wrap=True)
    if best:
        table.add_row(metric, *(f"{point.score:.4f}" for point in best), style="bold")
        table.add_row("best epoch", *(str(point.best_epoch) for point in best))
        for name in best[0].settings:
            table.add_row(name, *(short(point.settings[name]) for point in best))
    under_way = sum(point.score is None and point.failure is None for point in points)
    reasons = Counter(point.failure for point in points if point.failure is not None)
    failed = [
        Text(f"{count} failed: {reason}", "bold red") for reason, count in reasons.most_common()
    ]
    notes = [f"{under_way} under way in other processes, or stopped"] if under_way else []
    title = _title(
        f"{dataset} · {len(points)} trials" + (f", the best {len(best)}" if best else "")
    )
    tables = [table] if best else []
    return Group(
        title, *tables, *failed, *map(Text, [*notes, "chosen on validation; test was not read"])
    )


def _title(words: str) -> Text:
    """Above the table and not a part of it: there it would be broken into lines as narrow as the table is."""
    return Text(words, "italic")


def _table() -> Table:
    return Table(box=None, padding=(0, 1))
