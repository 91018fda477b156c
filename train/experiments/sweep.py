"""sweep: settings drawn from a space, each draw trained and judged on validation; the test split is never read.

study.db           every draw, its score or why it failed (study.py)
trial-0000 …       run folders; the best one so far keeps its weights, the others settings, log and run.json, and one
                   that failed settings, log and failure.txt
best.toml          the settings of the best one so far: `train --config best.toml` trains it again
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from semanticmac.cache.atomic_io import write_text
from semanticmac.core import ProgressFn
from semanticmac.model.text_encoder import Tokenizer
from semanticmac.run.folder import FAILURE, higher_is_better
from semanticmac.train.config import TrainConfig, override
from semanticmac.train.data import TrainData, in_setting, resolve
from semanticmac.train.experiments.optuna_study import Draws, Point, Sampler
from semanticmac.train.experiments.resumable import OF_ONE_RUN, flat
from semanticmac.train.experiments.search_space import Choice, Space
from semanticmac.train.loop import EpochLog, train

BEST = "best.toml"
_WEIGHTS = (
    "model.safetensors",
    "language",
    "pseudo_labels",
)  # what only a model that is used needs


@dataclass(frozen=True)
class Sweep:
    """What is asked for."""

    config: TrainConfig  # what is not drawn; its seed is that of every training, and of the draws
    space: Space
    sampler: Sampler
    trials: int  # of the study in all, those of earlier and of other processes among them
    folder: Path


def sweep(
    asked: Sweep,
    data: TrainData,
    device: torch.device,
    progress: ProgressFn,
    on_note: Callable[[str], None],
    on_epoch: Callable[[EpochLog], None],
) -> list[Point]:
    """Trains until the study has all its trials; returns those of every process, in the order of their numbers.

    A trial that fails is recorded with its reason and the sweep goes on; one whose process was
    killed is tried again, from its checkpoint. Any other error ends the sweep and leaves its trial
    to be tried again. Raises ConfigError where the folder holds a sweep of something else,
    TrainError for settings that the dataset cannot have, and LanguageModelError where a language
    model cannot be had.
    """
    base = resolve(asked.config, data, device)
    in_setting(data, base.model.clips_before)
    _require_languages(base, asked.space)
    others = {name: value for name, value in flat(base).items() if name not in asked.space}
    more_is_better = higher_is_better(data.task)
    draws = Draws.open(
        asked.folder,
        asked.space,
        asked.sampler,
        base.seed,
        others | {"data": data.digest},
        maximise=more_is_better,
    )

    def settled() -> list[Point]:
        """What there is; weights and best.toml follow it, also where a process was killed before it saw to them."""
        with draws.alone():
            points = draws.points()
            _tidy(asked.folder, points, more_is_better)
        return points

    _show(settled(), asked.trials, progress)
    while (claim := draws.claim(asked.trials)) is not None:
        folder = trial_folder(asked.folder, claim.point)
        drawn = ", ".join(f"{name}={short(value)}" for name, value in claim.settings.items())
        on_note(f"trial {claim.point}: {drawn} → {folder}")
        try:
            config = override(base, claim.settings)
            info = train(config, data, folder, device, progress, on_epoch, on_note, resume=True)
        except OF_ONE_RUN as error:
            draws.tell_failure(claim, str(error))
            on_note(f"trial {claim.point} failed: {error}")
        except (
            BaseException
        ):  # Ctrl-C, a full disk, a mistake of ours: nothing that these settings are to blame for
            with suppress(
                Exception
            ):  # a disk with no byte left takes no word of it: to be said is what came first
                draws.tell_stopped(claim)
            raise
        else:
            draws.tell(claim, info.valid_score, info.best_epoch)
            on_note(
                f"trial {claim.point}: {info.valid_metric} {info.valid_score:.4f}, best epoch {info.best_epoch}"
            )
        _show(settled(), asked.trials, progress)
    return settled()


def ranked(points: Sequence[Point], more_is_better: bool) -> list[Point]:
    """Those that have a score, the best first; of equal ones the earlier."""
    scored = [(point.score, point) for point in points if point.score is not None]
    return [
        point
        for _, point in sorted(scored, key=lambda pair: -pair[0] if more_is_better else pair[0])
    ]


def trial_folder(folder: Path, number: int) -> Path:
    return folder / f"trial-{number:04d}"


def short(value: object) -> str:
    """A setting for a person: three digits of a number. config.toml has all of them."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _require_languages(base: TrainConfig, space: Space) -> None:
    """Raises LanguageModelError where one cannot be had: every trial would fail of it, and a failure stays."""
    drawn = space.get("language")
    names = drawn.options if isinstance(drawn, Choice) else (base.model.language,)
    for name in names if "text" in base.model.modalities else ():
        Tokenizer.load(str(name), base.model.max_tokens)


def _show(points: Sequence[Point], trials: int, progress: ProgressFn) -> None:
    failed = sum(point.failure is not None for point in points)
    done = failed + sum(point.score is not None for point in points)
    progress(
        "trials", done, max(trials, done), failed
    )  # a sweep may be asked for fewer than it has


def _tidy(folder: Path, points: Sequence[Point], more_is_better: bool) -> None:
    """Weights stay with the best trial alone, a failed one keeps settings, log and why; best.toml is the best's."""
    by_score = ranked(points, more_is_better)
    for best in by_score[:1]:
        write_text(
            folder / BEST,
            (trial_folder(folder, best.number) / "config.toml").read_text(encoding="utf-8"),
        )
    for point in by_score[1:]:
        _remove(trial_folder(folder, point.number), _WEIGHTS)
    for point in points:
        run = trial_folder(folder, point.number)
        if point.failure is not None and run.exists() and not (run / FAILURE).exists():
            _remove(run, (*_WEIGHTS, "checkpoint", "run.json"))
            write_text(run / FAILURE, point.failure + "\n")


def _remove(run: Path, names: Sequence[str]) -> None:
    for path in (run / name for name in names):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
