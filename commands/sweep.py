"""The verb sweep: settings drawn, trained and judged on validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

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
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out

SAMPLERS = ("random", "tpe")


def sweep(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    trials: Annotated[
        int, typer.Option(help="Trials in all; what was trained before counts.", min=1)
    ] = 50,
    sampler: Annotated[str, typer.Option(help="random, as in the paper, or tpe.")] = "random",
    space: Annotated[
        Path | None,
        typer.Option(help="TOML of what is drawn. Default: train/experiments/sweep.toml."),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the draws and of every training.")
    ] = None,
    set_: Settings = None,
    device: Device = "auto",
) -> None:
    """Search settings: draw, train, and judge each on validation. What --set fixes is not drawn.

    The same command goes on where it was stopped; started several times at once, the processes
    share the trials.
    """
    from semanticmac.commands.common import open_training
    from semanticmac.commands.ui.epochs import EpochLines
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.commands.ui.trainings import sweep_table
    from semanticmac.run.folder import RunInfo, higher_is_better
    from semanticmac.run.weights import pick_device
    from semanticmac.train.config import parse_settings
    from semanticmac.train.experiments.search_space import read_space
    from semanticmac.train.experiments.sweep import BEST, Sweep, ranked, sweep, trial_folder

    if sampler not in SAMPLERS:
        raise typer.BadParameter(f"--sampler {sampler}: expected {' or '.join(SAMPLERS)}")
    changes = parse_settings(set_ or []) | ({} if seed is None else {"seed": seed})
    data, settings = open_training(cache, dataset, preset, config, changes)
    folder = runs / f"sweep-{settings.dataset}"
    drawn = read_space(space, settings, changes.keys())
    asked = Sweep(settings, drawn, cast(Literal["random", "tpe"], sampler), trials, folder)
    echo(
        err,
        Text.assemble(
            "searching on ", (settings.dataset, "bold"), f", {len(drawn)} settings → {folder}"
        ),
    )
    with Screen(err) as screen:
        show, note = EpochLines(screen).show, screen.line
        points = sweep(asked, data, pick_device(device), screen.progress, note, show)
    by_score = ranked(points, higher_is_better(data.task))
    best = trial_folder(folder, by_score[0].number) if by_score else None
    metric = RunInfo.read(best).valid_metric if best else ""
    out.print(sweep_table(settings.dataset, points, by_score, metric))
    if best:
        echo(err, f"the best one's settings: {folder / BEST}", "dim")
        again = f"semanticmac train --config {best / 'config.toml'}"
        echo(err, f"next: `{again}` trains it again")
    if any(point.failure is not None for point in points):
        raise typer.Exit(CLIPS_FAILED)
