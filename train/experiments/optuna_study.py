"""The draws of a sweep, in a study of Optuna in SQLite. This module is the only importer of Optuna.

A draw is a *point*, numbered from 0. Its settings depend on the seed and its number (tpe: and on
the scores so far). A sweep that was stopped, or is shared by processes, therefore draws the same as
an undisturbed one. A point whose process was killed is marked as failed in the study and tried
again, as a new trial of Optuna with the same settings. Each running trial holds a file lock, which
the system releases as soon as its process ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from semanticmac.cache.file_locks import try_lock, wait_for_lock, writable
from semanticmac.train.config import ConfigError
from semanticmac.train.experiments.search_space import Choice, Range, Space, plain
from semanticmac.train.resume import require_equal

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

Sampler = Literal["random", "tpe"]
FILE = "study.db"
TRIES = 5  # A point whose process was killed so often is given up.
_LOCKED_S = 100  # how long SQLite waits for another process that writes


@dataclass(frozen=True)
class Claim:
    """A point that this process trains, until its result is told or the process ends."""

    point: int
    settings: dict[str, Any]
    trial: Trial
    lock: IO[str]  # held until then; another process can take it afterwards


@dataclass(frozen=True)
class Point:
    """One draw: its score, or why it failed, or neither while it is trained."""

    number: int
    settings: dict[str, Any]
    score: float | None = None
    best_epoch: int | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Draws:
    """The study of one sweep folder."""

    folder: Path
    study: Study
    space: Space
    sampler: Sampler
    seed: int

    @classmethod
    def open(
        cls,
        folder: Path,
        space: Space,
        sampler: Sampler,
        seed: int,
        others: Mapping[str, Any],
        *,
        defaults: Mapping[str, Any],
        maximise: bool,
    ) -> Draws:
        """Creates or resumes the study. others: settings that are not drawn and must not change.

        defaults: the values of settings that an earlier version, which began the study, had not.

        Raises ConfigError if the folder holds another sweep, or cannot be written or locked, and if
        Optuna is not installed.
        """
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        drawn = {f"space.{name}": domain for name, domain in plain(space).items()}
        # Through JSON, as the study returns it.
        asked = json.loads(json.dumps({"sampler": sampler, "seed": seed, **others, **drawn}))
        with writable(folder, ConfigError, "--runs"):
            folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            if not (folder / FILE).exists() and any(folder.glob("trial-*")):
                raise ConfigError(
                    f"{folder} has trials and no {FILE}: give another --runs folder, or remove "
                    "this one"
                )
            storage = optuna.storages.RDBStorage(
                f"sqlite:///{folder / FILE}", engine_kwargs={"connect_args": {"timeout": _LOCKED_S}}
            )
            study = optuna.create_study(
                storage=storage,
                study_name="sweep",
                direction="maximize" if maximise else "minimize",
                load_if_exists=True,
            )
            if "asked" not in study.user_attrs:
                study.set_user_attr("asked", asked)
        begun = dict(study.user_attrs["asked"])
        for name, value in json.loads(json.dumps(dict(defaults))).items():
            if name in begun or f"space.{name}" in begun:
                continue
            if name in asked:
                begun[name] = value
            elif f"space.{name}" in asked:
                raise ConfigError(
                    f"{folder} was begun by a version that did not draw {name}: --set "
                    f"{name}={value} goes on with it"
                )
        require_equal(f"{folder} was begun", begun, asked)
        return cls(folder, study, space, sampler, seed)

    def claim(self, total: int) -> Claim | None:
        """The next point for this process, or None if all `total` points are finished or taken."""
        with self.alone():
            self._give_up_the_dead()
            points = self._by_point()
            waiting, again = [], []
            for point, trials in points.items():
                if trials[-1].state.name == "WAITING":
                    waiting.append(point)
                elif _ended_early(trials) and _kills(trials) < TRIES:
                    again.append(point)
            if waiting:
                point = waiting[0]
            elif again:
                point = again[0]
                params = points[point][-1].params
                self.study.enqueue_trial(
                    params if len(params) == len(self.space) else {}, {"point": point}
                )
            elif len(points) < total:
                point = len(points)
                self.study.enqueue_trial({}, {"point": point})
            else:
                return None
            self.study.sampler = _sampler(self.sampler, self.seed, point)
            trial = self.study.ask(
                {name: _distribution(domain) for name, domain in self.space.items()}
            )
            assert trial.user_attrs["point"] == point
            lock = open_lock(self._lock_of(trial.number))
            assert lock is not None
            return Claim(point, dict(trial.params), trial, lock)

    def alone(self) -> AbstractContextManager[None]:
        """Within the block no other process claims, tells or cleans up."""
        return _locked(self.folder / ".lock")

    def tell(self, claim: Claim, score: float, best_epoch: int) -> None:
        with self.alone():
            claim.trial.set_user_attr("best_epoch", best_epoch)
            self.study.tell(claim.trial, score)
            self._let_go(claim)

    def tell_failure(self, claim: Claim, reason: str) -> None:
        """The point is finished, without a score."""
        self._tell_failed(claim, "failure", reason)

    def tell_stopped(self, claim: Claim) -> None:
        """Ctrl-C or an unrelated error stopped it. It is tried again, and not counted as killed."""
        self._tell_failed(claim, "stopped", True)

    def points(self) -> list[Point]:
        """Every point of all processes, in order."""
        return [_point(number, trials) for number, trials in self._by_point().items()]

    def _tell_failed(self, claim: Claim, why: str, value: object) -> None:
        from optuna.trial import TrialState

        with self.alone():
            claim.trial.set_user_attr(why, value)
            self.study.tell(claim.trial, state=TrialState.FAIL)
            self._let_go(claim)

    def _by_point(self) -> dict[int, list[FrozenTrial]]:
        """Point → its trials, in order."""
        trials_by_point: dict[int, list[FrozenTrial]] = {}
        for trial in self.study.get_trials(deepcopy=False):
            trials_by_point.setdefault(trial.user_attrs["point"], []).append(trial)
        return dict(sorted(trials_by_point.items()))

    def _give_up_the_dead(self) -> None:
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            path = self._lock_of(trial.number)
            if (lock := open_lock(path)) is not None:
                self.study.tell(trial.number, state=TrialState.FAIL)
                path.unlink()
                lock.close()

    def _lock_of(self, trial: int) -> Path:
        return self.folder / f".trial-{trial}.lock"

    def _let_go(self, claim: Claim) -> None:
        self._lock_of(claim.trial.number).unlink()
        claim.lock.close()


def require_optuna() -> None:
    """Raises ConfigError if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ConfigError(
            "a sweep needs Optuna, and so do the trials of a leaderboard: pip install "
            "'semanticmac[sweep]'"
        ) from None


def _ended_early(trials: list[FrozenTrial]) -> bool:
    """True if the process of the last trial ended before the trial did."""
    return trials[-1].state.name == "FAIL" and "failure" not in trials[-1].user_attrs


def _kills(trials: list[FrozenTrial]) -> int:
    count = 0
    for trial in trials:
        if _ended_early([trial]) and "stopped" not in trial.user_attrs:
            count += 1
    return count


def _point(number: int, trials: list[FrozenTrial]) -> Point:
    last = trials[-1]
    failure = last.user_attrs.get("failure")
    if failure is None and _kills(trials) >= TRIES:
        failure = f"its process was killed {TRIES} times"
    score = last.value if last.state.name == "COMPLETE" else None
    return Point(number, dict(last.params), score, last.user_attrs.get("best_epoch"), failure)


def _sampler(name: Sampler, seed: int, point: int) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    point_seed = int(np.random.SeedSequence([seed, point]).generate_state(1)[0])
    return RandomSampler(point_seed) if name == "random" else TPESampler(seed=point_seed)


def _distribution(domain: Range | Choice) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.options)
    if isinstance(domain.low, int) and isinstance(domain.high, int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock that one process has at a time. The system releases that of a killed process."""
    with writable(path.parent, ConfigError, "--runs"):
        file = path.open("a")
    with file:
        with writable(path.parent, ConfigError, "--runs"):
            wait_for_lock(file)
        yield


def open_lock(path: Path) -> IO[str] | None:
    """The lock, or None if a running process holds it."""
    file = path.open("a")
    if try_lock(file):
        return file
    file.close()
    return None
