"""The command ablate: the ablation table, one training run per row and seed."""

from __future__ import annotations

from typing import Annotated

import typer

from semanticmac.commands.options import (
    CACHE,
    RUNS,
    CacheDir,
    Dataset,
    Device,
    FromCache,
    ListSettings,
    RunsDir,
    Settings,
)
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out, print_uncropped


def ablate(
    from_cache: FromCache = True,
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    rows: Annotated[
        str | None, typer.Option(help="Rows of the table, separated by commas. Default: all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Training runs per row.", min=1)] = 5,
    set_: Settings = None,
    list_settings: ListSettings = False,
    device: Device = "auto",
) -> None:
    """Train without each design choice in turn and print the table beside the paper's.

    Finished runs are kept: the same command resumes where it was stopped.
    """
    from semanticmac.commands.common import changed_settings, comma_separated, read_request
    from semanticmac.train.experiments.ablation_rows import ROWS, require_rows

    row_names = list(ROWS)
    if rows:
        row_names = comma_separated([rows])
    require_rows(row_names)
    request = read_request(cache, dataset, None, None, changed_settings(set_, None))
    layout, name = request.layout, request.settings.dataset

    # Imported here because they load torch: whatever is mistyped was refused before.
    from semanticmac.commands.ui.ablation import ablation_table
    from semanticmac.commands.ui.epochs import callbacks_for
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.run.device import pick_device
    from semanticmac.train.data import open_data
    from semanticmac.train.experiments.ablation import ablate, plan
    from semanticmac.train.experiments.ablation_results import by_row, write_results

    data = open_data(layout, name)
    folder = runs / f"ablation-{name}"
    planned = plan(request.settings, row_names, seeds, folder)
    torch_device = pick_device(device)
    with Screen(err) as screen:
        outcomes = ablate(planned, data, layout, torch_device, callbacks_for(screen))
    results = by_row(outcomes)
    write_results(folder, name, results)
    print_uncropped(out, ablation_table(name, results))
    echo(err, f"written to {folder / 'ablation.json'} and {folder / 'ablation.csv'}", "dim")
    if any(row.failures for row in results):
        raise typer.Exit(CLIPS_FAILED)
