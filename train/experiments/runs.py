"""Trains several runs, one after the other; finished ones are taken as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semanticmac.model.language.source import LanguageModelError
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainData, TrainError, resolve, with_dialogue
from semanticmac.train.loop import train
from semanticmac.train.resume import is_trained

# Errors of one run, after which the next run may succeed.
RUN_ERRORS = (
    ConfigError, TrainError, RunError, LanguageModelError, ValueError, torch.OutOfMemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class PlannedRun:
    """A run that is wanted: its name for messages, its folder and settings."""

    name: str
    folder: Path
    config: TrainConfig


@dataclass(frozen=True)
class RunResult:
    """A finished run, or why it failed."""

    info: RunInfo | None
    failure: str | None


Finish = Callable[[Path], None]


def require_test_labels(data: TrainData) -> None:
    """Raises TrainError if no test clip has a label."""
    if data.manifest.labelled("test"):
        return
    name = data.manifest.dataset
    raise TrainError(
        f"{name} has no labelled clips in its test split, and every row is scored on it: "
        f"see `semanticmac inspect {name}`, and check the split column of its labels."
    )


def train_or_resume(
    run: PlannedRun,
    data: TrainData,
    device: torch.device,
    callbacks: Callbacks,
    finish: Finish | None = None,
) -> RunResult:
    """Trains the run, resumes it, or reads it if it is finished; then calls `finish` on its folder.

    Errors of this run alone (RUN_ERRORS) are returned; any other error is raised.
    """
    try:
        info = train(run.config, data, run.folder, device, callbacks, resume=True)
        if finish is not None:
            finish(run.folder)
    except RUN_ERRORS as error:
        return RunResult(None, str(error))
    return RunResult(info, None)


def check_runs(
    runs: Sequence[PlannedRun],
    data: TrainData,
    device: torch.device,
    is_finished: Callable[[Path], bool] = Path.exists,
) -> list[bool]:
    """For each run, whether it is trained and `is_finished` holds for its folder.

    Raises ConfigError if a folder holds a run with other settings or data, and TrainError for
    settings that do not fit the dataset.
    """
    configs = [resolve(run.config, data, device) for run in runs]
    for config in configs:
        with_dialogue(data, config.model)
    finished = []
    for run, config in zip(runs, configs, strict=True):
        finished.append(is_trained(run.folder, config, data) and is_finished(run.folder))
    return finished


def train_all(
    stage: str,
    runs: Sequence[PlannedRun],
    finished: Sequence[bool],
    data: TrainData,
    device: torch.device,
    callbacks: Callbacks,
    finish: Finish | None = None,
) -> list[RunResult]:
    """Trains the runs that are not finished. After a run that fails, the others continue.

    stage: what the progress counts; finished: of `check_runs`; finish: called on the folder of each
    trained run, to score it for example.
    """
    results: list[RunResult] = []
    failed = 0
    for run, is_finished in zip(runs, finished, strict=True):
        callbacks.progress(stage, len(results), len(runs), failed)
        if is_finished:
            callbacks.on_note(f"{run.name}: finished before → {run.folder}")
            result = RunResult(RunInfo.read(run.folder), None)
        else:
            callbacks.on_note(f"{run.name} → {run.folder}")
            result = train_or_resume(run, data, device, callbacks, finish)
        failed += result.failure is not None
        results.append(result)
    callbacks.progress(stage, len(results), len(runs), failed)
    return results
