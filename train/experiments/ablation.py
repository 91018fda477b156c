"""ablate: switches off each design choice in turn, trains over seeds, and scores on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.eval.evaluate import evaluate
from semanticmac.run.folder import is_finished
from semanticmac.run.metric import Metric
from semanticmac.run.scores import read_scores, scores_path
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.experiments.ablation_rows import ROWS, require_rows
from semanticmac.train.experiments.runs import (
    PlannedRun,
    check_runs,
    require_test_labels,
    train_all,
)
from semanticmac.train.overrides import override

SPLIT = "test"  # scored; the best epoch is chosen on validation


@dataclass(frozen=True)
class AblationRun:
    """One row with one seed: an ordinary run folder."""

    row: str
    folder: Path
    config: TrainConfig


@dataclass(frozen=True)
class AblationResult:
    """The test scores of one run, or why it failed."""

    row: str
    seed: int
    folder: str
    metrics: tuple[Metric, ...] = ()
    failure: str | None = None


def plan(config: TrainConfig, rows: Sequence[str], seeds: int, folder: Path) -> list[AblationRun]:
    """The finished runs of the folder, then the runs that are asked for.

    Every row is trained with the first seed, then with the next one: an ablation that is stopped
    has all its rows. Raises ConfigError for a row that does not exist.
    """
    require_rows(rows)
    asked = []
    for seed in range(config.seed, config.seed + seeds):
        for row in dict.fromkeys(rows):
            asked.append((row, seed))
    earlier = [pair for pair in _scored_runs(folder) if pair not in asked]
    runs = []
    for row, seed in [*earlier, *asked]:
        settings = override(config, ROWS[row] | {"seed": seed})
        runs.append(AblationRun(row, _run_folder(folder, row, seed), settings))
    return runs


def ablate(
    runs: Sequence[AblationRun],
    data: TrainData,
    layout: CacheLayout,
    device: torch.device,
    callbacks: Callbacks,
) -> list[AblationResult]:
    """Trains and scores the runs that are not finished. After one that fails, the others continue.

    Before training starts, raises ConfigError if a folder holds a run with other settings or data,
    and TrainError for settings that do not fit the dataset, or if it has no labels to score with.
    """

    def score(folder: Path) -> None:
        evaluate(load_run(folder, device), layout, SPLIT, device).write(folder)

    require_test_labels(data)
    planned = []
    for run in runs:
        planned.append(PlannedRun(f"{run.row}, seed {run.config.seed}", run.folder, run.config))
    finished = check_runs(planned, data, device, is_scored)
    results = train_all("ablation runs", planned, finished, data, device, callbacks, score)

    ablation_results = []
    for run, result in zip(runs, results, strict=True):
        metrics = () if result.failure else read_metrics(run.folder)
        ablation_results.append(
            AblationResult(run.row, run.config.seed, run.folder.name, metrics, result.failure)
        )
    return ablation_results


def is_scored(folder: Path) -> bool:
    return scores_path(folder, SPLIT).exists()


def read_metrics(folder: Path) -> tuple[Metric, ...]:
    """The metrics of a scored run."""
    scores = read_scores(folder, SPLIT)
    return () if scores is None else scores.metrics


def _run_folder(folder: Path, row: str, seed: int) -> Path:
    return folder / f"{row}-seed{seed}"


def _scored_runs(folder: Path) -> list[tuple[str, int]]:
    """Row and seed of every run in the folder that is trained and scored, with any settings."""
    scored = []
    for path in sorted(folder.glob("*-seed*")):
        row, _, seed = path.name.rpartition("-seed")
        if row in ROWS and seed.isdecimal() and is_finished(path) and is_scored(path):
            scored.append((row, int(seed)))
    return scored
