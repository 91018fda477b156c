"""The command train: one training, or one per seed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from semanticmac.commands.options import (
    CACHE,
    RUNS,
    CacheDir,
    Config,
    Dataset,
    Device,
    FromCache,
    Preset,
    RunsDir,
    Settings,
)
from semanticmac.commands.ui.screen import (
    CLIPS_FAILED,
    echo,
    err,
    out,
    print_notes,
    set_resume_hint,
)

if TYPE_CHECKING:
    from semanticmac.train.config import TrainConfig
    from semanticmac.train.data import TrainData
    from semanticmac.train.distributed import DistributedContext
    from semanticmac.train.logger import EpochLog


def train(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    run: Annotated[
        Path | None, typer.Option(help="Folder to make. Default: RUNS/DATASET-001, -002 …")
    ] = None,
    runs: RunsDir = RUNS,
    preset: Preset = None,
    config: Config = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Several trainings: how many seeds (5), or which (1,2,7). Resumes with --run."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Go on where this run was stopped, with its own settings."
        ),
    ] = None,
    set_: Settings = None,
    device: Device = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also draw curves, in RUN/tensorboard.")
    ] = False,
) -> Path:
    """Train SemanticMAC on a cached dataset; the best epoch by validation is kept in a run folder.

    On several GPUs: torchrun --nproc-per-node=N -m semanticmac.cli -- train …
    """
    from semanticmac.commands.common import open_training
    from semanticmac.run.folder import drop_empty, new_run, seed_runs
    from semanticmac.train.config import parse_settings
    from semanticmac.train.distributed import init_distributed

    if resume is not None and (
        config or preset or run or set_ or seed is not None or seeds is not None
    ):
        raise typer.BadParameter(f"--resume goes on with the settings of {resume}: give no others")
    if resume is not None and seed_runs(resume):
        raise typer.BadParameter(
            f"--resume {resume}: that folder holds a run a seed; the command that made it goes on with --run {resume}"
        )
    if resume is not None and not (resume / "config.toml").exists():
        raise typer.BadParameter(
            f"--resume {resume}: no training was begun there (it has no config.toml)"
        )
    if seeds is not None and tensorboard:
        raise typer.BadParameter(
            "--tensorboard draws one training: give it with --seed, or train without it"
        )
    changes = parse_settings(set_ or []) | ({} if seed is None else {"seed": seed})
    with init_distributed() as world:
        if not world.first:
            out.quiet = err.quiet = True
        data, settings = open_training(cache, dataset, preset, resume or config, changes)
        if seeds is not None and world.size > 1:
            raise typer.BadParameter(
                "--seeds trains one seed after the other: under torchrun give --seed"
            )
        if seeds is not None:
            folder = run or new_run(runs, settings.dataset, suffix="-seeds")
            with drop_empty(folder):
                return _train_seeds(seeds, settings, data, folder, device)
        folder = resume or world.broadcast(
            new_run(runs, settings.dataset, run) if world.first else Path()
        )
        with drop_empty(folder):
            return _train_one(
                settings, data, folder, device, world, resume is not None, tensorboard
            )


def _train_one(
    settings: TrainConfig,
    data: TrainData,
    folder: Path,
    device: str,
    world: DistributedContext,
    resume: bool,
    tensorboard: bool,
) -> Path:
    from semanticmac.commands.ui.epochs import EpochLines
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.run.folder import is_finished
    from semanticmac.run.weights import pick_device
    from semanticmac.train.curves import Curves
    from semanticmac.train.loop import train

    chosen = world.device(pick_device(device))
    if resume and is_finished(folder):
        print_notes([f"{folder} is finished: there is nothing to go on with"])
    else:
        _print_start(settings, data, f" → {folder}")
    with ExitStack() as stack:
        screen = stack.enter_context(Screen(err))
        curves = stack.enter_context(Curves(folder)) if tensorboard and world.first else None
        lines = EpochLines(screen)

        def progress(stage: str, done: int, total: int, failed: int) -> None:
            set_resume_hint(
                f"`semanticmac train --resume {folder}` goes on"
            )  # before the first step nothing is kept
            screen.progress(stage, done, total, failed)

        def show(line: EpochLog) -> None:
            lines.show(line)
            if curves is not None:
                curves.epoch(line)

        info = train(
            settings,
            data,
            folder,
            chosen,
            progress,
            show,
            lambda note: print_notes([note]),
            on_step=curves.step if curves is not None else lambda step: None,
            resume=resume,
            world=world,
        )
    set_resume_hint()
    echo(err, f"best epoch {info.best_epoch}: {info.valid_metric} {info.valid_score:.4f}")
    _print_next(folder)
    return folder


def _print_start(settings: TrainConfig, data: TrainData, where: str) -> None:
    clips = f"{len(data.train)} clips, validated on {len(data.valid)}"
    echo(err, Text.assemble("training on ", (settings.dataset, "bold"), f" ({clips}){where}"))


def _print_next(folder: Path) -> None:
    echo(err, f"next: `semanticmac eval --run {folder}`")


def _train_seeds(
    seeds: str, settings: TrainConfig, data: TrainData, folder: Path, device: str
) -> Path:
    from semanticmac.commands.ui.epochs import EpochLines
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.commands.ui.trainings import seeds_table
    from semanticmac.run.weights import pick_device
    from semanticmac.train.experiments.seeds import parse_seeds, train_seeds

    asked, chosen = parse_seeds(seeds, settings.seed), pick_device(device)
    _print_start(settings, data, f", {len(asked)} seeds → {folder}")
    set_resume_hint(f"the same command goes on with `--run {folder}`")
    with Screen(err) as screen:
        show, note = EpochLines(screen).show, screen.line
        found = train_seeds(settings, asked, data, folder, chosen, screen.progress, note, show)
    out.print(seeds_table(settings.dataset, found))
    _print_next(folder)
    if any(run.failure is not None for run in found):
        raise typer.Exit(CLIPS_FAILED)
    return folder
