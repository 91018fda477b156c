"""The command export: a trained model as a folder to give away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.ui.screen import echo, out


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
) -> None:
    """Write a folder with weights, settings, preprocessing and a card, for `predict --run DIR`."""
    from semanticmac.run.export import export_run

    for path in export_run(run, folder):
        echo(out, str(path))
