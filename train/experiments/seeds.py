"""train --seeds: one model trained with several seeds, each a run folder of its own, in a folder of theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.core import ProgressFn
from semanticmac.eval.report.formatting import mean_spread
from semanticmac.run.folder import SEEDS, RunError, RunInfo, is_finished, seed_runs
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainData, in_setting, resolve
from semanticmac.train.experiments.resumable import OF_ONE_RUN, is_trained
from semanticmac.train.loop import EpochLog, train


@dataclass(frozen=True)
class SeedRun:
    """What one seed came to on validation, or why it failed."""

    seed: int
    best_epoch: int | None = None
    valid_metric: str | None = None
    valid_score: float | None = None
    failure: str | None = None


def parse_seeds(text: str, first: int) -> list[int]:
    """`5`: so many seeds, from the first one on; `1,2,7` (or `7,`): these."""
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    seeds = list(range(first, first + numbers[0])) if numbers and "," not in text else numbers
    if not seeds or min(seeds) < 0:
        raise ConfigError(f"--seeds {text}: expected how many, as 5, or which, as 1,2,7")
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds {text} names a seed twice: each is trained once")
    return seeds


def train_seeds(
    config: TrainConfig,
    seeds: Sequence[int],
    data: TrainData,
    folder: Path,
    device: torch.device,
    progress: ProgressFn,
    on_note: Callable[[str], None],
    on_epoch: Callable[[EpochLog], None],
) -> list[SeedRun]:
    """Trains the seeds that are not done yet; one that fails is named and the others go on.

    Returns those asked for and the others that the folder holds, finished. Nothing is chosen
    between seeds. Before anything is trained, raises ConfigError where a run in the folder has
    other settings, RunError where the folder is no place for seeds, and TrainError for settings
    that the dataset cannot have.
    """
    if (folder / "config.toml").exists():
        raise RunError(f"{folder} holds a single run: give another --run for the seeds")
    if not (folder / SEEDS).exists() and _holds_anything(folder):
        raise RunError(
            f"{folder} is not empty and no folder of seeds (no {SEEDS}): give another --run for the seeds"
        )
    config = resolve(config, data, device)
    in_setting(data, config.model.clips_before)
    places = seed_runs(folder) | {seed: folder / f"seed-{seed}" for seed in seeds}
    done = {
        seed for seed, run in places.items() if is_trained(run, replace(config, seed=seed), data)
    }
    if not (folder / SEEDS).exists():
        write_text(folder / SEEDS, "{}\n")  # from here on, everybody knows what the folder is
    found: list[SeedRun] = []
    failed = 0
    for seed in seeds:
        progress("seeds", len(found), len(seeds), failed)
        on_note(f"seed {seed}{': finished before' if seed in done else ''} → {places[seed]}")
        of_seed = replace(config, seed=seed)
        try:
            info = train(
                of_seed, data, places[seed], device, progress, on_epoch, on_note, resume=True
            )
            found.append(_seed_run(info))
        except OF_ONE_RUN as error:
            found.append(SeedRun(seed, failure=str(error)))
            failed += 1
    progress("seeds", len(found), len(seeds), failed)
    others = [
        run for seed, run in seed_runs(folder).items() if seed not in seeds and is_finished(run)
    ]
    found = sorted(
        [*found, *(_seed_run(RunInfo.read(run)) for run in others)], key=lambda one: one.seed
    )
    write_text(folder / SEEDS, json.dumps(as_json(found), indent=1, allow_nan=False) + "\n")
    return found


def as_json(runs: Sequence[SeedRun]) -> dict[str, Any]:
    """Every seed, and the mean and sample spread of those that did not fail; a single one has no spread."""
    scores = [run.valid_score for run in runs if run.valid_score is not None]
    mean, std = mean_spread(scores) if scores else (None, None)
    return {"valid_mean": mean, "valid_std": std, "seeds": [asdict(run) for run in runs]}


def _holds_anything(folder: Path) -> bool:
    """A seeds.json that a killed process was writing aside is nothing."""
    return folder.exists() and any(
        not path.name.startswith(f".{SEEDS}.") for path in folder.iterdir()
    )


def _seed_run(info: RunInfo) -> SeedRun:
    return SeedRun(info.seed, info.best_epoch, info.valid_metric, info.valid_score)
