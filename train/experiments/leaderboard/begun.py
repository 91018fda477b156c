"""A folder that holds a leaderboard already: are its trials and seeds those that are asked for?

The check comes before anything is trained, so that a refusal costs no training. `collect` repeats
it for the seeds that its table shows.
"""

from __future__ import annotations

import numpy as np
import torch

from semanticmac.run.folder import FAILURE
from semanticmac.train.config import ConfigError
from semanticmac.train.data import TrainData, TrainError, resolve
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant
from semanticmac.train.experiments.leaderboard.request import (
    Request,
    Tuned,
    is_done,
    seed_config,
    seed_folder,
    tuned_by,
)
from semanticmac.train.experiments.leaderboard.scored import (
    FILE,
    SPLIT,
    ScoredSeed,
    points_of_svm,
    require_same_svm,
)
from semanticmac.train.experiments.optuna_study import require_optuna
from semanticmac.train.experiments.sweep import points_so_far
from semanticmac.train.resume import is_trained


def trainings_left(request: Request, device: torch.device) -> list[int]:
    """For each entrant, how many trials and seeds are not finished yet.

    Raises ConfigError if the folder holds trials or seeds with other settings or data, and if there
    are trials to draw and Optuna is not installed.
    """
    if request.trials and any(entrant.model != SVM for entrant in request.entrants):
        require_optuna()
    return [_left(entrant, request, device) for entrant in request.entrants]


def _left(entrant: Entrant, request: Request, device: torch.device) -> int:
    data = request.data_of(entrant)
    if not request.trials:
        tuned: Tuned | None = Tuned((), None)
        left = 0
    else:
        if entrant.model == SVM:
            folder = entrant.folder(request.folder)
            points = points_of_svm(entrant.config, request.trials, data, device, folder) or []
        else:
            points = points_so_far(request.sweep_of(entrant), data, device)
        tuned = tuned_by(points, request, data)
        finished = 0
        for point in points[: request.trials]:
            finished += point.score is not None or point.failure is not None
        left = request.trials - finished
    if tuned is None:
        return left + len(request.seeds)
    require_same_seeds(entrant, tuned, request, device)
    for seed in request.seeds:
        left += not is_done(seed_folder(entrant, tuned, seed, request.folder))
    return left


def require_same_seeds(
    entrant: Entrant, tuned: Tuned, request: Request, device: torch.device
) -> None:
    """Raises ConfigError for a finished seed with other settings, other data or test clips."""
    data = request.data_of(entrant)
    for seed in request.seeds:
        folder = seed_folder(entrant, tuned, seed, request.folder)
        if not is_done(folder):
            continue
        config = seed_config(entrant, tuned, seed)
        try:
            config = resolve(config, data, device)
        except TrainError:
            # It failed for this reason.
            if (folder / FAILURE).exists():
                continue
            raise
        if entrant.model == SVM:
            require_same_svm(folder, config, data)
        else:
            is_trained(folder, config, data)
        if (folder / FILE).exists():
            _require_same_test(ScoredSeed.read(folder), data, f"{folder}")


def _require_same_test(scored: ScoredSeed, data: TrainData, name: str) -> None:
    """The test clips and their labels are those of the cache."""
    test = data.train.with_rows(
        [row for row in data.manifest.split(SPLIT) if row.label is not None]
    )
    labels = test.labels(data.task.width).double().numpy()
    wanted = dict(zip((row.clip_id for row in test.rows), labels, strict=True))
    is_labelled = ~np.isnan(scored.truth).all(axis=1)
    scored_ids = [clip for clip, known in zip(scored.clip_ids, is_labelled, strict=True) if known]
    same = set(scored_ids) == set(wanted)
    if same:
        truth = np.stack([wanted[clip] for clip in scored_ids])
        same = np.allclose(truth, scored.truth[is_labelled], atol=1e-6, equal_nan=True)
    if not same:
        raise ConfigError(
            f"{name} was scored on other test clips or labels than the cache has now: give another "
            "--runs folder, or remove this one"
        )
