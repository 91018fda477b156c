"""The command export: a trained model as a folder to give away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.ui.screen import echo, out, print_notes


def export(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="[RUN] DIR", help="Run folder (or --run), and the folder to make."),
    ],
    run: Annotated[Path | None, typer.Option("--run", help="Run folder.")] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--license",
            help="For the card: mit, cc-by-nc-4.0 … The card says `other` for an unknown name.",
        ),
    ] = None,
) -> None:
    """Write a folder with weights, settings, preprocessing and a card, for `predict --run DIR`.

    `push-model` uploads it to the model hub.
    """
    from semanticmac.run.card_head import licence_fields
    from semanticmac.run.export import export_run

    *runs, folder = [*folders] if run is None else [run, *folders]
    if len(runs) != 1:
        raise typer.BadParameter(
            "expected one run and the folder to make: semanticmac export RUN DIR"
        )
    for path in export_run(runs[0], folder, licence):
        echo(out, str(path))
    if licence is not None and licence_fields(licence)["license"] != licence.lower():
        note = f"{licence!r} is no licence that the hub lists: the card says `other` and names it"
        print_notes([note])
