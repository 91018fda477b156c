"""The ablation table on the screen: each row over its seeds, and the paper's row below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from semanticmac.eval.paper import ARXIV
from semanticmac.eval.report import cell
from semanticmac.train.ablation_results import RowResult

_DIGITS = 1  # after the point of a percentage, as the paper's table has them


def ablation_table(dataset: str, rows: Sequence[RowResult]) -> Table:
    """A line a row, mean ± sample spread over its seeds; where the paper has the row, its numbers stand below, dim."""
    metrics = shown_metrics(rows)
    table = Table(title=f"{dataset} · test · ablation", title_justify="left", caption_justify="left", box=None)
    table.add_column("without", no_wrap=True)
    table.add_column("runs", justify="right")
    for metric in metrics:
        table.add_column(metric.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        scored = len(row.runs) - len(row.failures)
        numbers = [cell(row.values[metric], metric, _DIGITS) if row.values else "" for metric in metrics]
        name = "nothing (full model)" if not row.settings else row.row
        table.add_row(Text(name, style="bold"), f"{scored}/{len(row.runs)}", *numbers)
        if row.paper:
            table.add_row("  paper, MOSEI", "", *[row.paper.get(metric, "") for metric in metrics], style="dim")
    notes = ["mean ± sample standard deviation over seeds; the epoch is chosen on validation"]
    if any(row.paper for row in rows):
        notes.append(f"paper: quoted as printed ({ARXIV}), measured on MOSEI, not here")
    failures = [f"{run.row}, seed {run.seed} failed: {run.failure}" for row in rows for run in row.failures]
    table.caption = Text("\n").join([*(Text(line, style="bold red") for line in failures), *map(Text, notes)])
    return table


def shown_metrics(rows: Sequence[RowResult]) -> list[str]:
    """Those that the paper's table has, where it has any; else all but the metrics of single classes."""
    printed = {metric for row in rows for metric in row.paper}
    measured = dict.fromkeys(metric for row in rows for metric in row.values)
    return [metric for metric in measured if (metric in printed if printed else "(" not in metric)]
