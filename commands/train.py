"""The command train: one training run, or one per seed."""

from __future__ import annotations

from collections.abc import Sequence
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
    ListSettings,
    Model,
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
from semanticmac.core import counted

if TYPE_CHECKING:
    from semanticmac.train.config import TrainConfig
    from semanticmac.train.data import TrainData
    from semanticmac.train.distributed import DistributedContext
    from semanticmac.train.experiments.folds import FoldRun
    from semanticmac.train.experiments.seeds import SeedRun
    from semanticmac.train.logger import EpochLog, StepLog


def train(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    model: Model = None,
    cache: CacheDir = CACHE,
    run: Annotated[
        Path | None, typer.Option(help="New run folder. Default: RUNS/DATASET-001, -002 …")
    ] = None,
    runs: RunsDir = RUNS,
    preset: Preset = None,
    config: Config = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Train several seeds: their number (5) or a list (1,2,7). --run resumes them."
        ),
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option(
            metavar="speaker[:N]",
            help="Train a model for each fold of speakers; --run resumes them.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Resume this stopped run with its own settings."),
    ] = None,
    set_: Settings = None,
    list_settings: ListSettings = False,
    device: Device = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write curves to RUN/tensorboard.")
    ] = False,
) -> Path:
    """Train a model on a cached dataset and keep the best epoch by validation score.

    On several GPUs: torchrun --nproc-per-node=N -m semanticmac.cli -- train …
    """
    from semanticmac.cache.folds import fold_names
    from semanticmac.commands.common import changed_settings, open_training, read_request
    from semanticmac.run.folder import drop_empty, new_run
    from semanticmac.train.experiments.seed_list import parse_seeds

    if resume is not None:
        changed = (
            bool(config or preset or run or set_ or model or folds)
            or seed is not None
            or seeds is not None
        )
        _check_resume(resume, changed)
    if seeds is not None and folds is not None:
        raise typer.BadParameter("--folds trains every fold with one seed: give --seed")
    several = seeds is not None or folds is not None
    if several and tensorboard:
        raise typer.BadParameter(
            "--tensorboard shows one training run: leave out --seeds and --folds"
        )
    changes = changed_settings(set_, seed)
    request = read_request(cache, dataset, preset, config, changes, model, resume)
    settings = request.settings
    seed_list = [] if seeds is None else parse_seeds(seeds, settings.seed)
    if run is not None and not several:
        new_run(runs, settings.dataset, run)  # refuses a folder that holds a run

    # Imported here because it loads torch: whatever is mistyped was refused before.
    from semanticmac.train.distributed import init_distributed

    with init_distributed() as distributed:
        if not distributed.is_main:
            out.quiet = err.quiet = True
        data = open_training(request)
        if seeds is not None:
            if distributed.world_size > 1:
                raise typer.BadParameter(
                    "--seeds trains one seed after the other: with torchrun give --seed"
                )
            folder = run or new_run(runs, settings.dataset, suffix="-seeds")
            with drop_empty(folder):
                return _train_seeds(seed_list, settings, data, folder, device)

        if folds is not None:
            if distributed.world_size > 1:
                raise typer.BadParameter("--folds trains one fold after the other: no torchrun")
            names = fold_names(data.manifest, folds)
            folder = run or new_run(runs, settings.dataset, suffix="-folds")
            with drop_empty(folder):
                return _train_folds(names, settings, data, folder, device)

        folder = resume or Path()
        if resume is None:
            created = new_run(runs, settings.dataset, run) if distributed.is_main else folder
            folder = distributed.broadcast(created)
        resumed = resume is not None
        with drop_empty(folder):
            return _train_one(settings, data, folder, device, distributed, resumed, tensorboard)


def _check_resume(run: Path, other_options: bool) -> None:
    """Raises BadParameter unless --resume stands alone and names a run that was started."""
    from semanticmac.run.folder import seed_runs

    if other_options:
        raise typer.BadParameter(f"--resume goes on with the settings of {run}: give no others")
    if seed_runs(run):
        raise typer.BadParameter(
            f"--resume {run}: this folder holds one run per seed or fold. Resume with the command "
            f"that started them and --run {run}"
        )
    if not (run / "config.toml").exists():
        raise typer.BadParameter(
            f"--resume {run}: no training was started there (it has no config.toml)"
        )


def _train_one(
    settings: TrainConfig,
    data: TrainData,
    folder: Path,
    device: str,
    distributed: DistributedContext,
    resume: bool,
    tensorboard: bool,
) -> Path:
    from semanticmac.commands.ui.epochs import EpochLines
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.run.device import pick_device
    from semanticmac.run.dialogues import context_notes
    from semanticmac.run.folder import is_finished
    from semanticmac.run.metric import format_validation
    from semanticmac.train.callbacks import Callbacks
    from semanticmac.train.curves import Curves
    from semanticmac.train.head_report import head_report
    from semanticmac.train.loop import train

    torch_device = distributed.device(pick_device(device))
    if resume and is_finished(folder):
        print_notes([f"{folder} is finished already: there is nothing to resume"])
    else:
        _print_start(settings, data, f" → {folder}")
    with ExitStack() as stack:
        screen = stack.enter_context(Screen(err))
        curves = None
        if tensorboard and distributed.is_main:
            curves = stack.enter_context(Curves(folder))
        lines = EpochLines(screen)

        def progress(stage: str, done: int, total: int, failed: int) -> None:
            # Only now: before the first step there is nothing to resume.
            set_resume_hint(f"`semanticmac train --resume {folder}` goes on")
            screen.progress(stage, done, total, failed)

        def on_epoch(line: EpochLog) -> None:
            lines.show(line)
            if curves is not None:
                curves.epoch(line)

        def on_step(line: StepLog) -> None:
            if curves is not None:
                curves.step(line)

        info = train(
            settings,
            data,
            folder,
            torch_device,
            Callbacks(progress, on_epoch, on_step, on_note=lambda note: print_notes([note])),
            resume=resume,
            distributed=distributed,
        )
    set_resume_hint()
    score = format_validation(info.valid_metric, info.valid_score)
    echo(err, f"best epoch {info.best_epoch}: {info.valid_metric} {score}")
    print_notes(context_notes(info.model))
    if distributed.is_main:
        report = head_report(folder, settings, data, torch_device)
        for line in report.scores():
            echo(err, line)
        print_notes(report.warnings())
    _print_next(folder)
    return folder


def _train_seeds(
    seeds: list[int], settings: TrainConfig, data: TrainData, folder: Path, device: str
) -> Path:
    from semanticmac.commands.ui.epochs import callbacks_for
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.commands.ui.trainings import seeds_table
    from semanticmac.run.device import pick_device
    from semanticmac.train.experiments.seeds import train_seeds

    torch_device = pick_device(device)
    _print_start(settings, data, f", {counted(len(seeds), 'seed')} → {folder}")
    set_resume_hint(f"the same command goes on with `--run {folder}`")
    with Screen(err) as screen:
        results = train_seeds(settings, seeds, data, folder, torch_device, callbacks_for(screen))
    out.print(seeds_table(settings.dataset, results))
    _end(results, folder)
    return folder


def _train_folds(
    folds: list[str], settings: TrainConfig, data: TrainData, folder: Path, device: str
) -> Path:
    from semanticmac.commands.ui.epochs import callbacks_for
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.commands.ui.trainings import folds_table
    from semanticmac.run.device import pick_device
    from semanticmac.train.experiments.folds import train_folds

    torch_device = pick_device(device)
    echo(err, f"training {counted(len(folds), 'fold')} of {settings.dataset} → {folder}")
    set_resume_hint(f"the same command goes on with `--run {folder}`")
    with Screen(err) as screen:
        results = train_folds(settings, folds, data, folder, torch_device, callbacks_for(screen))
    out.print(folds_table(settings.dataset, results))
    _end(results, folder)
    return folder


def _end(results: Sequence[SeedRun | FoldRun], folder: Path) -> None:
    """Names the next command. The exit code says that a training failed."""
    _print_next(folder)
    if any(run.failure is not None for run in results):
        raise typer.Exit(CLIPS_FAILED)


def _print_start(settings: TrainConfig, data: TrainData, target: str) -> None:
    from semanticmac.model.registry import SEMANTICMAC

    clips = f"{counted(len(data.train), 'clip')}, validated on {len(data.valid)}"
    start = "training on "
    if settings.model.name != SEMANTICMAC:
        start = f"training {settings.model.name} on "
    echo(err, Text.assemble(start, (settings.dataset, "bold"), f" ({clips}){target}"))


def _print_next(folder: Path) -> None:
    echo(err, f"next: `semanticmac eval --run {folder}`")
