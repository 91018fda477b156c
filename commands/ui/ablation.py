"""The ablation table in a terminal: each row over its seeds, with the paper's row below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from semanticmac.commands.ui.screen import Message
from semanticmac.eval.report.paper import ARXIV
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    metric_cell,
    text_cell,
)
from semanticmac.eval.report.write_terminal import to_terminal
from semanticmac.run.metric import Metric
from semanticmac.train.experiments.ablation_results import RowResult


def ablation_table(dataset: str, rows: Sequence[RowResult]) -> Group:
    """Print it with `print_uncropped`: failures and notes below the table may be wider than it."""
    notes = ["mean ± sample standard deviation over seeds; the epoch is chosen on validation"]
    if any(row.paper for row in rows):
        notes.append(f"paper: quoted as printed ({ARXIV}), measured on MOSEI, not here")
    messages = []
    for row in rows:
        for run in row.failures:
            text = f"{run.row}, seed {run.seed} failed: {run.failure}"
            messages.append(Message(text, "bold red"))
    messages += [Message(note, "dim") for note in notes]
    title = Text(f"{dataset} · test · ablation", "italic")
    return Group(title, to_terminal(ablation_results(rows), spread_below=True), *messages)


def ablation_results(rows: Sequence[RowResult]) -> ResultsTable:
    """One row for each choice that is switched off, and one for the paper where it has it."""
    metrics = shown_metrics(rows)
    columns = [Column("runs")]
    columns += [Column(metric.name, metric.name.replace(" ", "\n")) for metric in metrics]
    table_rows = []
    for row in rows:
        finished = len(row.runs) - len(row.failures)
        cells: list[Cell | None] = [text_cell(f"{finished}/{len(row.runs)}")]
        for metric in metrics:
            values = row.values.get(metric.name)
            cells.append(metric_cell(values, metric) if values else None)
        name = row.row if row.settings else "nothing (full model)"
        table_rows.append(Row(name, tuple(cells), "measured", strong_name=True))
        if row.paper:
            printed = [text_cell(row.paper.get(metric.name, "")) for metric in metrics]
            cells_of_paper = (text_cell(""), *printed)
            table_rows.append(Row("  paper, MOSEI", cells_of_paper, "quoted", style="quiet"))
    return ResultsTable("", tuple(columns), tuple(table_rows), corner="without")


def shown_metrics(rows: Sequence[RowResult]) -> list[Metric]:
    """The metrics of the paper's table, where it has some; else those of the entire split."""
    printed: set[str] = set()
    metrics: dict[str, Metric] = {}
    for row in rows:
        printed.update(row.paper)
        metrics.update({metric.name: metric for metric in row.metrics})
    shown = []
    for metric in metrics.values():
        whole_split = not metric.class_name and not metric.zero_rule
        in_paper = metric.name in printed
        if in_paper or (whole_split and not printed):
            shown.append(metric)
    return shown
