"""The command import-features: features extracted by another program become a cached dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import check_name
from semanticmac.commands.export_features import print_restored, restore_export
from semanticmac.commands.options import CACHE, CacheDir, NameInCache
from semanticmac.commands.ui.screen import CLIPS_FAILED, err, out, print_notes
from semanticmac.core import counted


def import_features(
    file: Annotated[
        Path,
        typer.Argument(
            help="MMSA feature pickle (.pkl), .npz with a .csv beside it, or what export-features "
            "wrote."
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="The corpus of the features; it defines the labels: mosi, sims … An export of "
            "export-features names it itself."
        ),
    ] = None,
    cache: CacheDir = CACHE,
    name: NameInCache = None,
    zero_infinite: Annotated[
        bool, typer.Option("--zero-infinite", help="Read −inf in audio as 0, as MMSA does.")
    ] = False,
) -> None:
    """Cache features that another program extracted, to train and evaluate on them.

    No code in the file is executed.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.failures import print_failures
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.features.import_features import import_features
    from semanticmac.preprocess.sharing.array_files import is_npz_export

    check_name(name)
    if file.is_dir() or (file.suffix == ".npz" and is_npz_export(file)):
        print_restored(restore_export(file, cache, name))
        return
    if dataset is None:
        raise typer.BadParameter(
            f"--dataset is missing: {file} does not name its corpus; give --dataset mosi, sims …"
        )
    layout = CacheLayout(cache)
    with Screen(err) as screen:
        report = import_features(file, dataset, layout, screen.progress, name, zero_infinite)
    print_notes(report.notes)
    imported = report.clips - report.failed
    out.print(
        f"{report.dataset}: {imported} of {counted(report.clips, 'clip', 'are')} imported",
        highlight=False,
    )
    print_failures(layout.failures(report.dataset))
    if report.failed:
        raise typer.Exit(CLIPS_FAILED)
