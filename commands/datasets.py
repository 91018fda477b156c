"""The verbs datasets, datasets show and datasets check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import corpus_options
from semanticmac.commands.options import Exclude, Fold, Labels, SplitBy, Splits
from semanticmac.commands.ui.screen import DAMAGED, echo, out, print_uncropped

app = typer.Typer(
    help="The public corpora: what they are, where to get them, whether a download is whole."
)


@app.callback()
def datasets_(context: typer.Context) -> None:
    """The public corpora: what they are, where to get them, and whether your download is whole."""
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
    """Everything to know of one corpus before its download."""
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
        str, typer.Argument(help="mosi, mosei, sims, iemocap, meld, urfunny, mustard, folder …")
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
    """Is the download whole? Reads labels and file names, decodes nothing; exit code 0 only where it is."""
    from semanticmac.commands.ui.datasets import check_view
    from semanticmac.preprocess.corpora import NAMES, require_root
    from semanticmac.preprocess.corpora.check import check_corpus

    if name not in NAMES:
        raise typer.BadParameter(
            f"no corpus is called {name!r}; expected one of {', '.join(NAMES)}"
        )
    root = root or Path("data") / name
    require_root(
        name, root
    )  # bad input; what is found wrong in a folder is another thing, with another exit code
    report = check_corpus(name, root, corpus_options(splits, exclude, labels, split_by, fold))
    print_uncropped(out, check_view(report))
    if not report.complete:
        raise typer.Exit(DAMAGED)
