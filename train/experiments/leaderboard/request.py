"""What a leaderboard is asked for, and where the trials and seeds of a model lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semanticmac.eval.missing.request import MissingRequest
from semanticmac.run.folder import FAILURE, higher_is_better
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant
from semanticmac.train.experiments.leaderboard.scored import FILE
from semanticmac.train.experiments.optuna_study import Point
from semanticmac.train.experiments.sweep import Sweep, ranked
from semanticmac.train.overrides import override


@dataclass(frozen=True)
class Request:
    """The leaderboard that the user asks for."""

    entrants: tuple[Entrant, ...]
    trials: int  # of each model; 0: every model is trained with its own defaults
    seeds: tuple[int, ...]
    folder: Path
    data: Mapping[str, TrainData]  # the clips with the embeddings of each choice of streams
    missing: tuple[MissingRequest, ...] = ()  # protocols that every seed is scored under

    def data_of(self, entrant: Entrant) -> TrainData:
        return self.data[entrant.streams]

    def sweep_of(self, entrant: Entrant) -> Sweep:
        """The trials of a model that the training loop trains."""
        folder = entrant.folder(self.folder) / "sweep"
        return Sweep(entrant.config, entrant.space, "random", self.trials, folder)


@dataclass(frozen=True)
class Tuned:
    """The trials of one entrant."""

    points: tuple[Point, ...]
    best: Point | None  # None: there are no trials, or all of them failed

    @property
    def failed(self) -> int:
        return sum(point.failure is not None for point in self.points)


def tuned_by(points: Sequence[Point], request: Request, data: TrainData) -> Tuned | None:
    """The first trials, as many as are asked for. None: some of them are not finished.

    A folder may hold more, of an earlier call that asked for more. Every model has the same number.
    """
    asked = points[: request.trials]
    if len(asked) < request.trials:
        return None
    if any(point.score is None and point.failure is None for point in asked):
        return None
    by_score = ranked(asked, higher_is_better(data.task))
    return Tuned(tuple(asked), by_score[0] if by_score else None)


def seed_folder(entrant: Entrant, tuned: Tuned, seed: int, root: Path) -> Path:
    """The run folder of one seed. It names the trial whose settings it has."""
    if not tuned.points:
        trial = "default"
    elif tuned.best is None:
        trial = "no-trial"
    else:
        trial = f"trial-{tuned.best.number:04d}"
    return entrant.folder(root) / f"{trial}-seed-{seed}"


def seed_config(entrant: Entrant, tuned: Tuned, seed: int) -> TrainConfig:
    """The settings of one seed: those of the best trial."""
    config = replace(entrant.config, seed=seed)
    if tuned.best is None or entrant.model == SVM:
        return config
    return override(config, tuned.best.settings)


def is_done(folder: Path) -> bool:
    return (folder / FILE).exists() or (folder / FAILURE).exists()
