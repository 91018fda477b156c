"""The command serve: a page and an endpoint that predict recordings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.options import RUNS, Device, RunsDir
from semanticmac.commands.ui.screen import echo, err


def serve(
    runs: RunsDir = RUNS,
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Offer this run or exported model; repeatable. Default: --runs"),
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Folder of uploads and results; one server at a time uses it.")
    ] = Path("data/serve"),
    host: Annotated[
        str, typer.Option(help="Address to listen at. Others than 127.0.0.1 need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free port.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that clients need, or SEMANTICMAC_TOKEN."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name of this server, as behind a proxy; repeatable."),
    ] = None,
    max_mb: Annotated[int, typer.Option(help="Largest upload, in MB.", min=1)] = 512,
    max_minutes: Annotated[float, typer.Option(help="Longest recording.", min=0.01)] = 60.0,
    max_waiting: Annotated[int, typer.Option(help="Most recordings that wait.", min=1)] = 20,
    rate: Annotated[int, typer.Option(help="Uploads a minute from one address.", min=1)] = 30,
    keep_hours: Annotated[
        float, typer.Option(help="Delete a recording and its result so long after its end.")
    ] = 24.0,
    asr: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Write down what is said: base, small … or the folder of a Whisper model.",
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Serve a page and an endpoint: drop a recording, see text, voice and face apart.

    Recordings stay on this machine. A stopped server goes on with its queue at the next start.
    """
    from semanticmac.run.hub_models import find_model
    from semanticmac.serve.settings import ServeSettings

    named = [(folder.name or str(folder), find_model(folder)) for folder in run or ()]
    settings = ServeSettings(
        data=data,
        runs=tuple(named),
        runs_dir=None if run else runs,
        host=host,
        port=port,
        token=_token(token_file),
        hosts=tuple(allow_host or ()),
        max_bytes=max_mb << 20,
        max_seconds=60 * max_minutes,
        max_waiting=max_waiting,
        uploads_per_minute=rate,
        keep_hours=keep_hours,
        device=device,
        recogniser=asr,
    )
    try:
        from semanticmac.serve.main import run as run_server
    except ImportError as error:
        raise ImportError(
            f"the server needs {error.name}: pip install 'semanticmac[serve]'"
        ) from None

    def ready(address: str) -> None:
        echo(err, f"open {address}  (Ctrl-C stops; recordings and results are in {data})")

    run_server(settings, ready)


def _token(path: Path | None) -> str | None:
    """The token of a file, else of the environment. Raises BadParameter for a weak one."""
    token = os.environ.get("SEMANTICMAC_TOKEN", "")
    if path is not None:
        try:
            token = path.read_text(encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"--token-file {path}: {error.strerror}") from None
    token = token.strip()
    if not token:
        if path is not None:
            raise typer.BadParameter(f"--token-file {path} is empty")
        return None
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise typer.BadParameter(
            "the token must be at least 16 ASCII characters without blanks: "
            '`python -c "import secrets; print(secrets.token_urlsafe())"` makes one'
        )
    return token
