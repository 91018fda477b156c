"""The results of an ablation by row, beside the paper's numbers, as JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.report.csv_text import csv_text
from semanticmac.eval.report.paper import ARXIV, quoted_ablation
from semanticmac.run.metric import Metric, mean_and_std, values_by_name
from semanticmac.train.experiments.ablation import SPLIT, AblationResult
from semanticmac.train.experiments.ablation_rows import ROWS

# The paper's table is on MOSEI. A dataset with this metric is scored like MOSEI.
MOSEI_METRIC = "Acc-7"


@dataclass(frozen=True)
class RowResult:
    """One row over its seeds."""

    row: str
    settings: dict[str, Any]
    runs: tuple[AblationResult, ...]
    metrics: tuple[Metric, ...]  # of the first run that did not fail
    values: dict[str, list[float | None]]  # metric → value of each run that did not fail
    # Our metric → the paper's number on MOSEI as printed; empty if there is none to compare.
    paper: dict[str, str]

    @property
    def failures(self) -> tuple[AblationResult, ...]:
        return tuple(run for run in self.runs if run.failure is not None)


def by_row(results: Sequence[AblationResult]) -> list[RowResult]:
    """The results of each row, by seed. The rows are in the order of ROWS."""
    quoted = quoted_ablation()
    runs_by_row: dict[str, list[AblationResult]] = {row: [] for row in ROWS}
    for result in sorted(results, key=lambda result: result.seed):
        runs_by_row[result.row].append(result)
    row_results = []
    for row, runs in runs_by_row.items():
        if runs:
            row_results.append(_row_result(row, runs, quoted.get(row, {})))
    return row_results


def _row_result(row: str, runs: Sequence[AblationResult], quoted: Mapping[str, str]) -> RowResult:
    scored = [run.metrics for run in runs if run.failure is None]
    metrics = scored[0] if scored else ()
    values: dict[str, list[float | None]] = {}
    for run_metrics in scored:
        for metric in run_metrics:
            values.setdefault(metric.name, []).append(metric.value)
    paper = {}
    if MOSEI_METRIC in values:
        for metric in metrics:
            for key in metric.paper_keys:
                if key in quoted:
                    paper[metric.name] = quoted[key]
    return RowResult(row, ROWS[row], tuple(runs), metrics, values, paper)


def write_results(folder: Path, dataset: str, rows: Sequence[RowResult]) -> None:
    """Writes ablation.json (all runs) and ablation.csv (one line per row and metric)."""
    about = {
        "dataset": dataset,
        "split": SPLIT,
        "epoch": "the best on validation",
        "paper": f"quoted: as printed in the paper ({ARXIV}), on MOSEI, not measured here",
        "rows": [as_json(row) for row in rows],
    }
    write_text(folder / "ablation.json", json.dumps(about, indent=1, allow_nan=False) + "\n")
    lines: list[tuple[object, ...]] = [
        ("row", "metric", "runs", "mean", "std", "paper_mosei_quoted")
    ]
    for row in rows:
        for metric, values in row.values.items():
            quoted = row.paper.get(metric)
            lines.append((row.row, metric, len(values), *mean_and_std(values), quoted))
    write_text(folder / "ablation.csv", csv_text(lines))


def as_json(row: RowResult) -> dict[str, Any]:
    """One row. The sample standard deviation of a single run is null."""
    summary = {}
    for metric, values in row.values.items():
        mean, std = mean_and_std(values)
        summary[metric] = {"mean": mean, "std": std}
    return {
        "row": row.row,
        "settings": row.settings,
        "summary": summary,
        "paper": row.paper,
        "runs": [_run_json(run) for run in row.runs],
    }


def _run_json(run: AblationResult) -> dict[str, Any]:
    return {**asdict(run), "metrics": values_by_name(run.metrics)}
