"""The ablation table on the screen: each row over its seeds, and the paper's row below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from semanticmac.commands.ui.screen import Message
from semanticmac.eval.report.formatting import cell
from semanticmac.eval.report.paper import ARXIV
from semanticmac.train.experiments.ablation_results import RowResult

_DIGITS = 1  # after the point of a percentage, as the paper's table has them


def ablation_table(dataset: str, rows: Sequence[RowResult]) -> Group:
    """A line a row, below it the sample spread over its seeds; where the paper has the row, its numbers, dim."""
    metrics = shown_metrics(rows)
    table = Table(box=None, padding=(0, 1))
    table.add_column("without", no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    for metric in metrics:
        table.add_column(metric.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        scored = len(row.runs) - len(row.failures)
        numbers = [
            cell(row.values[metric], metric, _DIGITS) if row.values else "" for metric in metrics
        ]
        name = "nothing (full model)" if not row.settings else row.row
        cells = [
            number.replace(" ± ", "\n± ") for number in numbers
        ]  # side by side they are wider than a terminal
        table.add_row(Text(name, style="bold"), f"{scored}/{len(row.runs)}", *cells)
        if row.paper:
            table.add_row(
                "  paper, MOSEI",
                "",
                *[row.paper.get(metric, "") for metric in metrics],
                style="dim",
            )
    notes = ["mean ± sample standard deviation over seeds; the epoch is chosen on validation"]
    if any(row.paper for row in rows):
        notes.append(f"paper: quoted as printed ({ARXIV}), measured on MOSEI, not here")
    failures = [
        f"{run.row}, seed {run.seed} failed: {run.failure}" for row in rows for run in row.failures
    ]
    below = [
        *(Message(line, "bold red") for line in failures),
        *(Message(line, "dim") for line in notes),
    ]
    return Group(Text(f"{dataset} · test · ablation", "italic"), table, *below)


def shown_metrics(rows: Sequence[RowResult]) -> list[str]:
    """Those that the paper's table has, where it has any; else all but the metrics of single classes."""
    printed = {metric for row in rows for metric in row.paper}
    measured = dict.fromkeys(metric for row in rows for metric in row.values)
    return [metric for metric in measured if (metric in printed if printed else "(" not in metric)]
