"""Verbs that learn: train, ablate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.console.screen import CLIPS_FAILED, err, out, print_notes
from semanticmac.verbs.options import (
    CACHE,
    RUNS,
    CacheDir,
    Dataset,
    Device,
    FromCache,
    RunsDir,
    Settings,
)


def train(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    run: Annotated[Path | None, typer.Option(help="Folder to make. Default: RUNS/DATASET-001, -002 …")] = None,
    runs: RunsDir = RUNS,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    set_: Settings = None,
    device: Device = "auto",
) -> Path:
    """Train SemanticMAC on a cached dataset; the best epoch by validation is kept in a run folder."""
    from semanticmac.cache.home import CacheHome
    from semanticmac.console.epochs import EpochLines
    from semanticmac.console.progress import Screen
    from semanticmac.eval.evaluate import encoder_notes
    from semanticmac.eval.run import new_run, pick_device
    from semanticmac.train.config import override, parse_settings, preset
    from semanticmac.train.loop import open_data, train

    home = CacheHome(cache)
    name = home.require(dataset)
    changes = parse_settings(set_ or []) | ({} if seed is None else {"seed": seed})
    data = open_data(home, name)
    config = override(preset(data.manifest.corpus, name), changes)
    folder = new_run(runs, name) if run is None else new_run(run.parent, name, run)
    err.print(f"training on [bold]{name}[/] ({len(data.train)} clips, validated on {len(data.valid)}) → {folder}")
    unseen = [name for name in config.model.modalities if name not in data.modalities]
    print_notes(encoder_notes(data.manifest.fingerprint))
    print_notes([f"no train clip has {name}: the model is trained without it" for name in unseen])
    with Screen(err) as screen:
        show, note = EpochLines(screen).show, lambda note: print_notes([note])
        info = train(config, data, folder, pick_device(device), screen.progress, show, note)
    err.print(f"best epoch {info.best_epoch}: {info.valid_metric} {info.valid_score:.4f}", highlight=False)
    err.print(f"next: `semanticmac eval --run {folder}`", highlight=False)
    return folder


def ablate(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    rows: Annotated[str | None, typer.Option(help="Rows of the table, with commas between. Default: all.")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings a row.", min=1)] = 5,
    set_: Settings = None,
    device: Device = "auto",
) -> None:
    """Switch off each design choice in turn, train over seeds, and print the paper's ablation table beside ours.

    Runs that are finished are not run again: the same command goes on where it was stopped.
    """
    from semanticmac.cache.home import CacheHome
    from semanticmac.console.ablation import ablation_table
    from semanticmac.console.epochs import EpochLines
    from semanticmac.console.progress import Screen
    from semanticmac.eval.run import pick_device
    from semanticmac.train.ablate import ROWS, ablate, plan
    from semanticmac.train.ablation_results import by_row, write_results
    from semanticmac.train.config import override, parse_settings, preset
    from semanticmac.train.loop import open_data

    home = CacheHome(cache)
    name = home.require(dataset)
    data = open_data(home, name)
    config = override(preset(data.manifest.corpus, name), parse_settings(set_ or []))
    folder = runs / f"ablation-{name}"
    planned = plan(config, rows.split(",") if rows else list(ROWS), seeds, folder)
    with Screen(err) as screen:
        show = EpochLines(screen).show
        outcomes = ablate(planned, data, home, pick_device(device), screen.progress, screen.line, show)
    results = by_row(outcomes)
    write_results(folder, name, results)
    out.print(ablation_table(name, results))
    err.print(f"written to {folder / 'ablation.json'} and {folder / 'ablation.csv'}", style="dim", highlight=False)
    if any(row.failures for row in results):
        raise typer.Exit(CLIPS_FAILED)
