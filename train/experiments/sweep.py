"""sweep: draws settings, trains them, and scores each trial on validation. Test is never read.

study.db           every draw, with its score or why it failed (optuna_study.py)
trial-0000 …       run folders. The best one keeps its weights; the others keep settings, log and
                   run.json; one that failed keeps settings, log and failure.txt
best.toml          settings of the best trial: `train --config best.toml` trains it again
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.run.folder import FAILURE, higher_is_better
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import ConfigError, TrainConfig, with_name
from semanticmac.train.data import TrainData, resolve, with_dialogue
from semanticmac.train.experiments.optuna_study import FILE as STUDY
from semanticmac.train.experiments.optuna_study import Draws, Point, Sampler
from semanticmac.train.experiments.runs import PlannedRun, RunResult, train_or_resume
from semanticmac.train.experiments.search_space import Choice, Space
from semanticmac.train.overrides import override
from semanticmac.train.step_cost import FILE as STEP_COST

BEST = "best.toml"
_WEIGHTS = ("model.safetensors", "language", "pseudo_labels")  # needed only to use the model


@dataclass(frozen=True)
class Sweep:
    """The sweep that the user asks for."""

    config: TrainConfig  # settings that are not drawn; the seed is that of draws and trainings
    space: Space
    sampler: Sampler
    trials: int  # in the study, with those of earlier and of other processes
    folder: Path


def sweep(asked: Sweep, data: TrainData, device: torch.device, callbacks: Callbacks) -> list[Point]:
    """Trains until the study has all its trials, and returns those of all processes, in order.

    A trial that fails is recorded with its reason, and the sweep continues. A trial whose process
    was killed is tried again from its checkpoint. Any other error ends the sweep, and its trial is
    tried again. Raises ConfigError if the folder holds another sweep, TrainError for settings that
    do not fit the dataset, and LanguageModelError if a language model cannot be loaded.
    """
    base = resolve(asked.config, data, device)
    with_dialogue(data, base.model)
    _require_languages(base, asked.space)
    maximise = higher_is_better(data.task)
    draws = _open_draws(asked, base, data)

    def update_folder() -> list[Point]:
        """Removes weights and writes best.toml, also for trials of a process that was killed."""
        with draws.alone():
            points = draws.points()
            _clean_up(asked.folder, points, maximise)
        return points

    _show_progress(update_folder(), asked.trials, callbacks)
    while (claim := draws.claim(asked.trials)) is not None:
        name = f"trial {claim.point}"
        folder = trial_folder(asked.folder, claim.point)
        drawn = ", ".join(f"{key}={short(value)}" for key, value in claim.settings.items())
        callbacks.on_note(f"{name}: {drawn} → {folder}")
        try:
            result = _run_trial(base, claim.settings, folder, data, device, callbacks)
        except BaseException:
            # Ctrl-C, a full disk, a bug: not the fault of these settings. On a full disk the study
            # cannot be written either; the first error is the one to show.
            with suppress(Exception):
                draws.tell_stopped(claim)
            raise
        if result.info is None:
            draws.tell_failure(claim, result.failure or "")
            callbacks.on_note(f"{name} failed: {result.failure}")
        else:
            info = result.info
            draws.tell(claim, info.valid_score, info.best_epoch)
            score = f"{info.valid_metric} {info.valid_score:.4f}"
            callbacks.on_note(f"{name}: {score}, best epoch {info.best_epoch}")
        _show_progress(update_folder(), asked.trials, callbacks)
    return update_folder()


def points_so_far(asked: Sweep, data: TrainData, device: torch.device) -> list[Point]:
    """The trials that the folder holds; none where no sweep was begun. Nothing is trained.

    Raises ConfigError if the folder holds another sweep.
    """
    if not (asked.folder / STUDY).exists():
        return []
    return _open_draws(asked, resolve(asked.config, data, device), data).points()


def _open_draws(asked: Sweep, base: TrainConfig, data: TrainData) -> Draws:
    """base: the resolved settings."""
    fixed = {name: value for name, value in base.flat().items() if name not in asked.space}
    fixed["data"] = data.digest
    maximise = higher_is_better(data.task)
    return Draws.open(
        asked.folder,
        asked.space,
        asked.sampler,
        base.seed,
        fixed,
        defaults=with_name(base.dataset, base.model.name).flat(),
        maximise=maximise,
    )


def ranked(points: Sequence[Point], more_is_better: bool) -> list[Point]:
    """The trials that have a score, the best first; of equal ones the earlier first."""
    scored = [point for point in points if point.score is not None]
    sign = -1 if more_is_better else 1
    return sorted(scored, key=lambda point: sign * (point.score or 0.0))


def trial_folder(folder: Path, number: int) -> Path:
    return folder / f"trial-{number:04d}"


def short(value: object) -> str:
    """A setting with three digits. config.toml has all of them."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _run_trial(
    base: TrainConfig,
    settings: dict[str, Any],
    folder: Path,
    data: TrainData,
    device: torch.device,
    callbacks: Callbacks,
) -> RunResult:
    try:
        config = override(base, settings)
    except ConfigError as error:  # settings that exclude each other
        return RunResult(None, str(error))
    return train_or_resume(PlannedRun(folder.name, folder, config), data, device, callbacks)


def _require_languages(base: TrainConfig, space: Space) -> None:
    """Raises LanguageModelError if one cannot be loaded: its trials would fail, and stay failed."""
    if "text" not in base.model.modalities:
        return
    drawn = space.get("language")
    names = drawn.options if isinstance(drawn, Choice) else (base.model.language,)
    for name in names:
        Tokenizer.load(str(name), base.model.max_tokens)


def _show_progress(points: Sequence[Point], trials: int, callbacks: Callbacks) -> None:
    failed = finished = 0
    for point in points:
        failed += point.failure is not None
        finished += point.failure is not None or point.score is not None
    # A folder may hold more trials than this sweep asks for.
    callbacks.progress("trials", finished, max(trials, finished), failed)


def _clean_up(folder: Path, points: Sequence[Point], more_is_better: bool) -> None:
    """Keeps weights of the best trial alone, writes best.toml, and failure.txt in failed trials."""
    by_score = ranked(points, more_is_better)
    if by_score:
        best = trial_folder(folder, by_score[0].number)
        write_text(folder / BEST, (best / "config.toml").read_text(encoding="utf-8"))
    for point in by_score[1:]:
        drop_weights(trial_folder(folder, point.number))
    for point in points:
        run = trial_folder(folder, point.number)
        if point.failure is not None and run.exists() and not (run / FAILURE).exists():
            _remove(run, (*_WEIGHTS, "checkpoint", "run.json", STEP_COST))
            write_text(run / FAILURE, point.failure + "\n")


def drop_weights(run: Path) -> None:
    """Removes what is needed only to use the model; `train --config RUN` trains it again."""
    _remove(run, _WEIGHTS)


def _remove(run: Path, names: Sequence[str]) -> None:
    for name in names:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
