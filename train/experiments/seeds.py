"""train --seeds: trains one model with several seeds, each in its own run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.run.folder import SEEDS, RunError, RunInfo, is_finished, seed_runs
from semanticmac.run.metric import mean_and_std
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.experiments.runs import PlannedRun, check_runs, train_all


@dataclass(frozen=True)
class SeedRun:
    """The validation score of one seed, or why it failed."""

    seed: int
    best_epoch: int | None = None
    valid_metric: str | None = None
    valid_score: float | None = None
    failure: str | None = None


def train_seeds(
    config: TrainConfig,
    seeds: Sequence[int],
    data: TrainData,
    folder: Path,
    device: torch.device,
    callbacks: Callbacks,
) -> list[SeedRun]:
    """Trains the seeds that are not finished. After a seed that fails, the others continue.

    Returns these seeds and all other finished seeds in the folder, in order. No seed is chosen
    over another. Before training starts, raises ConfigError if a run in the folder has other
    settings, RunError if the folder holds anything else, and TrainError for settings that do not
    fit the dataset.
    """
    _check_folder(folder)
    others = [seed for seed in seed_runs(folder) if seed not in seeds]
    runs = [_planned(config, folder, seed) for seed in (*seeds, *others)]
    finished = check_runs(runs, data, device)
    if not (folder / SEEDS).exists():
        write_text(folder / SEEDS, "{}\n")  # marks the folder from now on

    count = len(seeds)
    results = train_all("seeds", runs[:count], finished[:count], data, device, callbacks)
    seed_results = []
    for seed, result in zip(seeds, results, strict=True):
        if result.info is None:
            seed_results.append(SeedRun(seed, failure=result.failure))
        else:
            seed_results.append(_seed_run(result.info))
    for seed, run in seed_runs(folder).items():
        if seed not in seeds and is_finished(run):
            seed_results.append(_seed_run(RunInfo.read(run)))
    seed_results.sort(key=lambda run: run.seed)
    write_text(folder / SEEDS, json.dumps(as_json(seed_results), indent=1, allow_nan=False) + "\n")
    return seed_results


def as_json(runs: Sequence[SeedRun]) -> dict[str, Any]:
    """Every seed, and mean and sample standard deviation of the scores (a single one has none)."""
    scores = [run.valid_score for run in runs if run.valid_score is not None]
    mean, std = mean_and_std(scores) if scores else (None, None)
    return {"valid_mean": mean, "valid_std": std, "seeds": [asdict(run) for run in runs]}


def _check_folder(folder: Path) -> None:
    """Raises RunError if the folder holds anything but runs over seeds."""
    if (folder / "config.toml").exists():
        raise RunError(f"{folder} holds a single run: give another --run for the seeds")
    if (folder / SEEDS).exists() or not folder.exists():
        return
    for path in folder.iterdir():
        # A process that was killed may have left a partial seeds.json.
        if not path.name.startswith(f".{SEEDS}."):
            raise RunError(
                f"{folder} is not empty and no folder of seeds (no {SEEDS}): give another --run "
                "for the seeds"
            )


def _planned(config: TrainConfig, folder: Path, seed: int) -> PlannedRun:
    return PlannedRun(f"seed {seed}", folder / f"seed-{seed}", replace(config, seed=seed))


def _seed_run(info: RunInfo) -> SeedRun:
    return SeedRun(info.seed, info.best_epoch, info.valid_metric, info.valid_score)
