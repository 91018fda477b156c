"""The program: registers the commands and prints one message for every error."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.text import Text

from semanticmac.commands import datasets
from semanticmac.commands.ablate import ablate
from semanticmac.commands.analyze import analyze
from semanticmac.commands.cache import CacheCommand, cache
from semanticmac.commands.demo import demo
from semanticmac.commands.eval import eval_
from semanticmac.commands.export import export
from semanticmac.commands.export_features import export_features, pull_features, push_features
from semanticmac.commands.forget import forget
from semanticmac.commands.import_features import import_features
from semanticmac.commands.inspect import inspect
from semanticmac.commands.leaderboard import leaderboard
from semanticmac.commands.options import SettingsCommand
from semanticmac.commands.predict import predict
from semanticmac.commands.probe import probe
from semanticmac.commands.push_model import push_model
from semanticmac.commands.report import report
from semanticmac.commands.runs import runs
from semanticmac.commands.segment import segment
from semanticmac.commands.serve import serve
from semanticmac.commands.sweep import sweep
from semanticmac.commands.train import train
from semanticmac.commands.ui.screen import (
    BAD_INPUT,
    STOPPED,
    echo,
    err,
    kept_state,
    out,
    print_stopped,
    resume_hint,
    set_resume_hint,
    use_plain,
)
from semanticmac.commands.verify import verify

app = typer.Typer(
    help="Sentiment, emotion, humour and sarcasm from human-spoken videos. "
    "`cache` turns raw videos into embeddings once; `train`, `eval` and the others read only "
    "these embeddings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.add_typer(datasets.app, name="datasets", invoke_without_command=True)
app.command(cls=CacheCommand)(cache)
app.command()(import_features)
app.command()(export_features)
app.command()(push_features)
app.command()(pull_features)
app.command()(inspect)
app.command()(verify)
app.command()(forget)
app.command()(probe)
app.command(cls=SettingsCommand)(train)
app.command("eval")(eval_)
app.command()(analyze)
app.command()(report)
app.command()(export)
app.command()(push_model)
app.command(cls=SettingsCommand)(ablate)
app.command(cls=SettingsCommand)(sweep)
app.command(cls=SettingsCommand)(leaderboard)
app.command()(runs)
app.command()(segment)
app.command()(predict)
app.command()(serve)


@app.callback(invoke_without_command=True)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Show progress as lines, for a log; anywhere.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from semanticmac import __version__

        out.print(__version__, highlight=False)
        raise typer.Exit


def main() -> NoReturn:
    """Runs the program. An error is one message; `--debug` anywhere shows its traceback.

    `--plain` anywhere makes progress plain lines.
    """
    set_resume_hint()
    debug = "--debug" in sys.argv
    use_plain("--plain" in sys.argv)
    switches = ("--debug", "--plain")
    arguments = [argument for argument in sys.argv[1:] if argument not in switches]
    # A subcommand of `cache` would hide its argument DATASET, hence a command of its own.
    if arguments[:2] == ["cache", "import"]:
        arguments[:2] = ["import-features"]
    code: object = 0
    try:
        app(arguments)
    except SystemExit as exit_:
        # Typer ends every command with SystemExit and has printed wrong arguments by then.
        code = exit_.code
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        if debug:
            traceback.print_exc()
        err.quiet = False  # torchrun: a process other than the first prints its error too
        echo(err, Text.from_markup(f"[bold red]error:[/] {_message(error)}"))
        code = BAD_INPUT
    if code == STOPPED:
        print_stopped()
    _exit(code if isinstance(code, int) else 0)


def _exit(code: int) -> NoReturn:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # gloo's threads outlive the interpreter and sometimes abort the process while Python
        # shuts down. All work is done, but torchrun would report a failure.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _message(error: Exception) -> str:
    """The message of an error, as Rich markup."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        disk = f"the disk that holds {error.filename}" if error.filename else "the disk"
        state = "is full"
        if error.errno == errno.EDQUOT:
            state = "refuses more data: your quota is used up"
        return escape(f"{disk} {state}. {kept_state()}. Make space; {resume_hint()}.")
    # Errors of this package are complete messages: cause, expectation and what to do.
    if type(error).__module__.startswith("semanticmac."):
        return escape(str(error))
    return escape(f"{type(error).__name__}: {error}") + " [dim](--debug shows where)[/]"


if __name__ == "__main__":
    main()
