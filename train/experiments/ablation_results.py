"""What an ablation measured, row by row beside the paper's, as records, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.report.formatting import mean_spread
from semanticmac.eval.report.paper import ARXIV, PAPER_METRICS, quoted_ablation
from semanticmac.train.experiments.ablation import ROWS, SPLIT, Outcome

# a dataset that is scored by it is scored like MOSEI, on which the paper's table is
OF_PAPER = "Acc-7"


@dataclass(frozen=True)
class RowResult:
    """One row over its seeds."""

    row: str
    settings: dict[str, Any]
    runs: tuple[Outcome, ...]
    values: dict[str, list[float | None]]  # metric → value of each run that did not fail
    paper: dict[
        str, str
    ]  # metric of ours → number as printed, on MOSEI; empty where the paper has none to compare

    @property
    def failures(self) -> tuple[Outcome, ...]:
        return tuple(run for run in self.runs if run.failure is not None)


def by_row(outcomes: Sequence[Outcome]) -> list[RowResult]:
    """The outcomes of each row together, by seed; rows in the order of ROWS, however they were asked for."""
    quoted = quoted_ablation()
    results = []
    for row in (row for row in ROWS if any(outcome.row == row for outcome in outcomes)):
        runs = tuple(
            sorted(
                (outcome for outcome in outcomes if outcome.row == row),
                key=lambda outcome: outcome.seed,
            )
        )
        scored = [run.metrics for run in runs if run.failure is None]
        metrics = list(scored[0]) if scored else []
        printed = quoted.get(row, {}) if OF_PAPER in metrics else {}
        paper = {
            name: printed[PAPER_METRICS[name]]
            for name in metrics
            if PAPER_METRICS.get(name) in printed
        }
        values = {name: [run[name] for run in scored] for name in metrics}
        results.append(RowResult(row, ROWS[row], runs, values, paper))
    return results


def write_results(folder: Path, dataset: str, rows: Sequence[RowResult]) -> None:
    """Leaves ablation.json (every run, full precision) and ablation.csv (a line a row and metric) in the folder."""
    about = {
        "dataset": dataset,
        "split": SPLIT,
        "epoch": "the best on validation",
        "paper": f"quoted: as printed in the paper ({ARXIV}), on MOSEI, not measured here",
        "rows": [as_json(row) for row in rows],
    }
    write_text(folder / "ablation.json", json.dumps(about, indent=1, allow_nan=False) + "\n")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["row", "metric", "runs", "mean", "std", "paper_mosei_quoted"])
    for row in rows:
        for metric, values in row.values.items():
            lines.writerow(
                [row.row, metric, len(values), *mean_spread(values), row.paper.get(metric)]
            )
    write_text(folder / "ablation.csv", text.getvalue())


def as_json(row: RowResult) -> dict[str, Any]:
    """One row; the sample standard deviation of a single run is null."""
    summary = {
        metric: dict(zip(("mean", "std"), mean_spread(row.values[metric]), strict=True))
        for metric in row.values
    }
    return {
        "row": row.row,
        "settings": row.settings,
        "summary": summary,
        "paper": row.paper,
        "runs": [asdict(run) for run in row.runs],
    }
