"""leaderboard: tunes every model with the same budget, trains seeds, and scores them on test.

LEADERBOARD/
  MODEL/sweep/               its trials (train/experiments/sweep.py); the SVM: trials.json
  MODEL/trial-0007-seed-1/   a seed with the settings of the best trial: scored.json, no weights
  result.json                everything that the table shows

Several processes may work on one folder: they share trials and seeds. A process that is killed
holds no lock, so another one, or the same command again, goes on with its work. Trials and epochs
are chosen on validation. The test split is read when a seed is finished, and nothing is chosen on
it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.layout import CacheLayout
from semanticmac.eval.missing.request import MissingRequest
from semanticmac.run.folder import FAILURE
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.experiments.leaderboard.cost import CostMeter
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant
from semanticmac.train.experiments.leaderboard.missing import score_missing_of_run
from semanticmac.train.experiments.leaderboard.request import (
    Request,
    Tuned,
    is_done,
    seed_config,
    seed_folder,
    tuned_by,
)
from semanticmac.train.experiments.leaderboard.scored import (
    SPLIT,
    fit_svm_seed,
    score_run,
    search_svm,
)
from semanticmac.train.experiments.optuna_study import open_lock
from semanticmac.train.experiments.runs import PlannedRun, require_test_labels, train_or_resume
from semanticmac.train.experiments.sweep import drop_weights, sweep

WAIT_S = 5.0  # between two looks at what other processes do


def run_leaderboard(
    request: Request, layout: CacheLayout, device: torch.device, callbacks: Callbacks
) -> list[Tuned]:
    """Works until every trial and every seed is finished, by this process or by others.

    Returns the trials of each entrant. Raises TrainError if the dataset has no test labels to score
    with, ConfigError if a folder holds trials or runs with other settings.
    """
    for data in request.data.values():
        require_test_labels(data)
    while True:
        is_waiting = worked = False
        every_tuned = []
        for entrant in request.entrants:
            tuned = tune(entrant, request, device, callbacks)
            if tuned is None:
                is_waiting = True  # Other processes still train its trials.
                continue
            every_tuned.append(tuned)
            for seed in request.seeds:
                state = _run_seed(entrant, tuned, seed, request, layout, device, callbacks)
                worked |= state == "worked"
                is_waiting |= state == "taken"
        if not is_waiting:
            return every_tuned
        if not worked:
            time.sleep(WAIT_S)


def tune(
    entrant: Entrant, request: Request, device: torch.device, callbacks: Callbacks
) -> Tuned | None:
    """Trains the trials that are left. None: another process still trains some of them."""
    folder, data = entrant.folder(request.folder), request.data_of(entrant)
    if not request.trials:
        return Tuned((), None)
    if entrant.model == SVM:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open_lock(folder / ".search.lock")
        if lock is None:
            return None
        with lock:
            points = search_svm(entrant.config, request.trials, data, device, folder)
    else:
        points = sweep(request.sweep_of(entrant), data, device, named(callbacks, entrant.name))
    return tuned_by(points, request, data)


def _run_seed(
    entrant: Entrant,
    tuned: Tuned,
    seed: int,
    request: Request,
    layout: CacheLayout,
    device: torch.device,
    callbacks: Callbacks,
) -> str:
    """`done`: finished before; `taken`: another process trains it; `worked`: it was trained now."""
    folder = seed_folder(entrant, tuned, seed, request.folder)
    if is_done(folder):
        return "done"
    name = f"{entrant.name}, seed {seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = open_lock(folder.parent / f".seed-{seed}.lock")
    if lock is None:
        return "taken"
    with lock:
        if is_done(folder):
            return "done"
        if tuned.points and tuned.best is None:
            folder.mkdir(parents=True, exist_ok=True)
            reason = tuned.points[-1].failure
            write_text(folder / FAILURE, f"all its trials failed, the last one: {reason}\n")
            return "worked"
        callbacks.on_note(f"{name} → {folder}")
        config, data = seed_config(entrant, tuned, seed), request.data_of(entrant)
        if entrant.model == SVM:
            settings = {} if tuned.best is None else tuned.best.settings
            failure = fit_svm_seed(config, settings, data, device, folder, request.missing)
        else:
            failure = _train_seed(
                name, config, data, layout, device, folder, callbacks, request.missing
            )
        if failure is not None:
            write_text(folder / FAILURE, failure + "\n")
            callbacks.on_note(f"{name} failed: {failure}")
    return "worked"


def _train_seed(
    name: str,
    config: TrainConfig,
    data: TrainData,
    layout: CacheLayout,
    device: torch.device,
    folder: Path,
    callbacks: Callbacks,
    missing: Sequence[MissingRequest],
) -> str | None:
    """Trains and scores one seed → why it failed, or None."""
    meter = CostMeter(named(callbacks, name), device)

    def score(run: Path) -> None:
        # scored.json comes last: with it the seed is done, and the weights are removed.
        score_missing_of_run(run, missing, layout, SPLIT, device, callbacks.progress)
        score_run(run, meter.cost(), layout, SPLIT, device)
        drop_weights(run)

    run = PlannedRun(name, folder, config)
    return train_or_resume(run, data, device, meter.callbacks, score).failure


def named(callbacks: Callbacks, name: str) -> Callbacks:
    """The same callbacks; notes begin with the name of the model, and none is repeated."""
    seen: set[str] = set()

    def on_note(note: str) -> None:
        if note not in seen:
            seen.add(note)
            callbacks.on_note(f"{name}: {note}")

    return replace(callbacks, on_note=on_note)
