"""The command push-model: an exported model to the model hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.ui.screen import echo, out


def push_model(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `export` made.")],
    repository: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="Repository of the hub; made if needed.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
) -> None:
    """Upload an exported model to the model hub, for `load("USER/NAME")`.

    It sends the files of the folder and nothing else. `hf auth login` or HF_TOKEN says who you are.
    """
    from semanticmac.run import hub_models

    echo(out, hub_models.push_model(folder, repository, private=private))
