"""The commands datasets, datasets show and datasets check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import corpus_options
from semanticmac.commands.options import Exclude, Fold, Labels, SplitBy, Splits
from semanticmac.commands.ui.screen import DAMAGED, echo, out, print_uncropped

app = typer.Typer(
    help="The public corpora: what they are, where to get them, is a download complete?"
)


@app.callback()
def datasets_(context: typer.Context) -> None:
    """The public corpora: what they are, where to get them, is your download complete?"""
    from semanticmac.commands.ui.datasets import corpora_table
    from semanticmac.preprocess.corpora.cards import CARDS

    if context.invoked_subcommand is None:
        out.print(corpora_table(CARDS.values()))
        echo(
            out,
            "more: `semanticmac datasets show NAME`,\n`semanticmac datasets check NAME --root DIR`",
            "dim",
        )


@app.command("show")
def datasets_show(
    name: Annotated[str, typer.Argument(help="mosi, mosei, sims, iemocap, meld …")],
) -> None:
    """Task, counts, source, terms and expected folder of one corpus."""
    from semanticmac.commands.ui.datasets import corpus_table
    from semanticmac.preprocess.corpora.cards import CARDS

    if name not in CARDS:
        raise typer.BadParameter(
            f"there is no public corpus {name!r}; expected one of {', '.join(CARDS)}"
        )
    out.print(corpus_table(CARDS[name]))


@app.command("check")
def datasets_check(
    name: Annotated[
        str, typer.Argument(help="mosi, mosei, sims, iemocap, meld, ravdess, folder …")
    ],
    root: Annotated[
        Path | None, typer.Option(help="Folder of its download. Default: data/NAME.")
    ] = None,
    splits: Splits = None,
    exclude: Exclude = None,
    labels: Labels = None,
    split_by: SplitBy = None,
    fold: Fold = None,
) -> None:
    """Is the download complete? Reads labels and file names, decodes nothing. Exit code 0: yes."""
    from semanticmac.commands.ui.datasets import check_view
    from semanticmac.preprocess.corpora import NAMES, require_root
    from semanticmac.preprocess.corpora.check import check_corpus

    if name not in NAMES:
        raise typer.BadParameter(
            f"no corpus is called {name!r}; expected one of {', '.join(NAMES)}"
        )
    root = root or Path("data") / name
    # A missing folder is bad input. Problems inside a folder are findings with another exit code.
    require_root(name, root)
    report = check_corpus(name, root, corpus_options(splits, exclude, labels, split_by, fold))
    print_uncropped(out, check_view(report))
    if not report.complete:
        raise typer.Exit(DAMAGED)
