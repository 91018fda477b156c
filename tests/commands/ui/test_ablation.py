"""The ablation table within 80 columns, whatever the dataset is scored by."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from semanticmac.commands.ui.ablation import ablation_table, shown_metrics
from semanticmac.commands.ui.screen import print_uncropped
from semanticmac.core import Task
from semanticmac.eval.metrics.scores import score
from semanticmac.run.metric import Metric
from semanticmac.train.experiments.ablation import AblationResult
from semanticmac.train.experiments.ablation_results import by_row

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
DATASETS = {
    "mosei": Task("regression"),
    "sims": Task("regression", low=-1, high=1),
    "mosei-emotion": Task("multi-label", CLASSES[:6]),
    "meld": Task("single-label", CLASSES[:7]),
    "own": Task("single-label", CLASSES),
    "urfunny": Task("binary", ("serious", "humorous")),
}


def metrics_of(dataset: str, task: Task, value: float) -> tuple[Metric, ...]:
    """The metrics of the dataset, all with the same value."""
    truth = np.array([task.encode(label) for label in task.classes or (-1, 1)])
    scores = score(dataset, task, truth, truth, train_truth=truth, valid=(truth, truth))
    return tuple(replace(metric, value=value) for metric in scores.metrics)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_table_fits_80_columns_and_cuts_nothing(dataset: str) -> None:
    runs = []
    for row in ("full", "perceiver_layer_norm"):
        for seed in (1, 2):
            metrics = metrics_of(dataset, DATASETS[dataset], 0.1 * seed + 0.805)
            runs.append(AblationResult(row, seed, f"{row}-seed{seed}", metrics))
    command = f"semanticmac train --config runs/{'a-long-name/' * 5}config.toml"
    reason = f"the loss became nan: `{command}` tries it again"
    rows = by_row([*runs, AblationResult("momentum", 1, "momentum-seed1", failure=reason)])
    shown = {}
    for width in (80, 300):
        console = Console(file=io.StringIO(), width=width)
        print_uncropped(console, ablation_table(dataset, rows))
        shown[width] = console.file.getvalue()  # type: ignore[attr-defined]
    table, _, failed = shown[80].partition("momentum, seed 1 failed: ")
    assert max(map(len, table.splitlines())) <= 80
    assert shown[80].split() == shown[300].split()
    assert "2/2" in table and "0/1" in table and failed.startswith(reason)
    assert table.count("±") == 2 * len(shown_metrics(rows))
