"""train --folds: trains one model for each fold of speakers, each in its own run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.run.folder import FOLDS, RunError
from semanticmac.run.metric import mean_and_std
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, with_fold
from semanticmac.train.experiments.runs import PlannedRun, check_runs, train_or_resume


@dataclass(frozen=True)
class FoldRun:
    """The validation score of one fold, or why it failed."""

    fold: str
    speakers: tuple[str, ...]  # of its test clips
    best_epoch: int | None = None
    valid_metric: str | None = None
    valid_score: float | None = None
    failure: str | None = None


def train_folds(
    config: TrainConfig,
    folds: Sequence[str],
    data: TrainData,
    folder: Path,
    device: torch.device,
    callbacks: Callbacks,
) -> list[FoldRun]:
    """Trains the folds that are not finished. After a fold that fails, the others continue.

    folds: of `cache.folds.fold_names`. The test clips of a fold are not read. Before training
    starts, raises ConfigError if a run in the folder has other settings, RunError if the folder
    holds anything else, and TrainError for settings that do not fit the dataset.
    """
    _check_folder(folder, folds)
    planned = []
    for fold in folds:
        run = PlannedRun(fold, fold_folder(folder, fold), replace(config, fold=fold))
        fold_data = with_fold(data, fold)
        check_runs([run], fold_data, device)
        planned.append((run, fold_data))
    write_text(folder / FOLDS, json.dumps({"folds": list(folds)}) + "\n")

    results: list[FoldRun] = []
    failed = 0
    for number, (run, fold_data) in enumerate(planned):
        callbacks.progress("folds", number, len(planned), failed)
        callbacks.on_note(f"{run.name} → {run.folder}")
        result = train_or_resume(run, fold_data, device, callbacks)
        speakers = {str(row.speaker) for row in fold_data.manifest.split("test")}
        scored = FoldRun(run.name, tuple(sorted(speakers)), failure=result.failure)
        if result.info is not None:
            info = result.info
            scored = replace(
                scored,
                best_epoch=info.best_epoch,
                valid_metric=info.valid_metric,
                valid_score=info.valid_score,
            )
        results.append(scored)
        failed += result.failure is not None
    callbacks.progress("folds", len(planned), len(planned), failed)
    content = {"folds": list(folds), **as_json(results)}
    write_text(folder / FOLDS, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return results


def fold_folder(folder: Path, fold: str) -> Path:
    return folder / f"fold-{fold.rpartition(':')[2]}"


def as_json(runs: Sequence[FoldRun]) -> dict[str, Any]:
    """Every fold, and mean and sample standard deviation of the validation scores."""
    scores = [run.valid_score for run in runs if run.valid_score is not None]
    mean, std = mean_and_std(scores) if scores else (None, None)
    return {"valid_mean": mean, "valid_std": std, "runs": [asdict(run) for run in runs]}


def _check_folder(folder: Path, folds: Sequence[str]) -> None:
    """Raises RunError if the folder holds anything but these folds."""
    if (folder / FOLDS).exists():
        known = json.loads((folder / FOLDS).read_text(encoding="utf-8")).get("folds")
        if known != list(folds):
            raise RunError(f"{folder} holds other folds ({', '.join(known)}): give another --run")
        return
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and no folder of folds: give another --run")
    folder.mkdir(parents=True, exist_ok=True)
