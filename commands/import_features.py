"""The command import-features: features that somebody else extracted become a cached dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import check_name
from semanticmac.commands.options import CACHE, CacheDir, NameInCache
from semanticmac.commands.ui.screen import CLIPS_FAILED, err, out, print_failures, print_notes


def import_features(
    file: Annotated[
        Path, typer.Argument(help="MMSA feature pickle (.pkl), or .npz with a .csv beside it.")
    ],
    dataset: Annotated[
        str, typer.Option(help="The corpus it is of, which says what the labels mean: mosi, sims …")
    ],
    cache: CacheDir = CACHE,
    name: NameInCache = None,
    zero_infinite: Annotated[
        bool, typer.Option("--zero-infinite", help="Read −inf in audio as 0, as MMSA does.")
    ] = False,
) -> None:
    """Cache features that somebody else extracted, to train and eval on them.

    Nothing in the file is ever run.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.features.importing import import_features

    check_name(name)
    with Screen(err) as screen:
        report = import_features(
            file, dataset, CacheLayout(cache), screen.progress, name, zero_infinite
        )
    print_notes(report.notes)
    out.print(
        f"{report.dataset}: {report.clips - report.failed} of {report.clips} clips are imported",
        highlight=False,
    )
    print_failures(CacheLayout(cache).failures(report.dataset))
    if report.failed:
        raise typer.Exit(CLIPS_FAILED)
