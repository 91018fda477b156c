"""Scores as JSON, ours and those of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from semanticmac.eval.metrics.bootstrap import Interval
from semanticmac.eval.metrics.scores import Scores
from semanticmac.eval.report.paper import ARXIV
from semanticmac.eval.report.results_table import ResultsTable
from semanticmac.eval.report.score_tables import require_same_metrics, values_of
from semanticmac.run.metric import mean_and_std


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
        mean, std = mean_and_std(values_of(runs, metric.name))
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
