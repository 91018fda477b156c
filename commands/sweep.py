"""The command sweep: settings are drawn, trained and compared on validation."""

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
    ListSettings,
    Model,
    Preset,
    RunsDir,
    Settings,
)
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out

Sampler = Literal["random", "tpe"]
SAMPLERS = ("random", "tpe")


def sweep(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    model: Model = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    trials: Annotated[
        int, typer.Option(help="Trials in total, including those of earlier calls.", min=1)
    ] = 50,
    sampler: Annotated[str, typer.Option(help="random, as in the paper, or tpe.")] = "random",
    space: Annotated[
        Path | None, typer.Option(help="TOML of the search space. Default: that of the model.")
    ] = None,
    preset: Preset = None,
    config: Config = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the draws and of every training run.")
    ] = None,
    set_: Settings = None,
    list_settings: ListSettings = False,
    device: Device = "auto",
) -> None:
    """Search settings: draw, train, and compare on validation. A setting given by --set is fixed.

    The same command resumes where it was stopped. Several of them at once share the trials.
    """
    from semanticmac.commands.common import changed_settings, open_training, read_request
    from semanticmac.model.registry import SEMANTICMAC
    from semanticmac.train.experiments.search_space import read_space

    if sampler not in SAMPLERS:
        raise typer.BadParameter(f"--sampler {sampler}: expected {' or '.join(SAMPLERS)}")
    changes = changed_settings(set_, seed)
    training = read_request(cache, dataset, preset, config, changes, model)
    settings = training.settings
    folder = runs / f"sweep-{settings.dataset}"
    if settings.model.name != SEMANTICMAC:
        folder = runs / f"sweep-{settings.dataset}-{settings.model.name}"
    search_space = read_space(space, settings, changes.keys())

    # Imported here because they load torch: whatever is mistyped was refused before.
    from semanticmac.commands.ui.epochs import callbacks_for
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.commands.ui.trainings import sweep_table
    from semanticmac.run.device import pick_device
    from semanticmac.run.folder import RunInfo, higher_is_better
    from semanticmac.train.experiments.sweep import BEST, Sweep, ranked, sweep, trial_folder

    data = open_training(training)
    request = Sweep(settings, search_space, cast(Sampler, sampler), trials, folder)
    what = f", {len(search_space)} settings → {folder}"
    echo(err, Text.assemble("searching on ", (settings.dataset, "bold"), what))

    with Screen(err) as screen:
        points = sweep(request, data, pick_device(device), callbacks_for(screen))

    by_score = ranked(points, higher_is_better(data.task))
    if by_score:
        best = trial_folder(folder, by_score[0].number)
        metric = RunInfo.read(best).valid_metric
        out.print(sweep_table(settings.dataset, points, by_score, metric))
        echo(err, f"settings of the best trial: {folder / BEST}", "dim")
        command = f"semanticmac train --config {best / 'config.toml'}"
        echo(err, f"next: `{command}` trains it again")
    else:
        out.print(sweep_table(settings.dataset, points, by_score, metric=""))
    if any(point.failure is not None for point in points):
        raise typer.Exit(CLIPS_FAILED)
