"""The command runs: lists the runs and their state."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from semanticmac.commands.options import RUNS, AsJson, RunsDir
from semanticmac.commands.ui.screen import echo, err, out, print_uncropped


def runs(
    folder: RunsDir = RUNS,
    everything: Annotated[
        bool, typer.Option("--all", help="Each seed, trial and ablation run too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the runs: dataset, seed, best epoch, scores, date, and those that are not finished."""
    from semanticmac.commands.ui.runs import runs_table
    from semanticmac.run.listing import list_runs

    found = list_runs(folder, everything)
    if as_json:
        print(
            json.dumps(
                [asdict(line) for line in found], indent=1, ensure_ascii=False, allow_nan=False
            )
        )
    elif found:
        print_uncropped(out, runs_table(folder, found))
    else:
        echo(err, f"{folder} holds no runs: `semanticmac train --from-cache` makes one")
