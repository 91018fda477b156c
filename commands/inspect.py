"""The command inspect: the content of one cached dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import cached_dataset, given_once
from semanticmac.commands.options import CACHE, CachedDataset, CacheDir, Dataset
from semanticmac.commands.ui.screen import echo, out, print_notes


def inspect(
    name: CachedDataset = None,
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    faces: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a picture (.jpg or .png) of the clips with the faces found in them.",
        ),
    ] = None,
) -> None:
    """Show a cached dataset: clips per split, labels, lengths, streams, sizes, failures."""
    from semanticmac.cache.copies import copies_notes
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.manifest import Manifest
    from semanticmac.cache.stream_catalogue import cached_streams, dataset_streams, last_streams
    from semanticmac.commands.ui.cache import frames_line, labels_table, splits_table, streams_table
    from semanticmac.commands.ui.failures import print_failures
    from semanticmac.run.notes import stream_notes

    if faces is not None and faces.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise typer.BadParameter(f"--faces {faces}: expected a file name that ends in .jpg or .png")
    layout = CacheLayout(cache)
    name = cached_dataset(layout, given_once(name, dataset, "--dataset"))

    # Imported here because it loads lmdb.
    from semanticmac.commands.ui.faces import faces_lines, write_contact_sheet

    manifest = Manifest.read(layout.manifest(name))
    out.print(splits_table(manifest))
    labels = labels_table(manifest)
    if labels is not None:
        out.print(labels)
    if any(row.has_vision or row.has_audio for row in manifest.rows):
        streams = cached_streams(layout)
        out.print(streams_table(manifest, streams, last_streams(layout, name)))
        out.print(frames_line(manifest, layout), highlight=False)
        for line in faces_lines(manifest, layout):
            echo(out, line)
        print_notes(stream_notes(dataset_streams(layout, manifest)))
    else:
        out.print("no frames and no embeddings: the clips are texts alone", highlight=False)
    print_notes(manifest.notes)
    print_notes(copies_notes(manifest.rows))
    print_failures(layout.failures(name))
    if faces is not None:
        echo(out, write_contact_sheet(manifest, layout, faces))
