"""The command verify: every byte of one cached dataset is read and checked."""

from __future__ import annotations

import typer

from semanticmac.commands.common import cached_dataset, given_once
from semanticmac.commands.options import CACHE, CachedDataset, CacheDir, Dataset
from semanticmac.commands.ui.screen import DAMAGED, echo, err, out
from semanticmac.core import counted


def verify(name: CachedDataset = None, dataset: Dataset = None, cache: CacheDir = CACHE) -> None:
    """Read and check every byte of a cached dataset. Damage is listed; the exit code is then 1."""
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.manifest import Manifest
    from semanticmac.cache.rebuild import cache_command
    from semanticmac.cache.stream_catalogue import dataset_streams
    from semanticmac.commands.ui.progress import Screen

    layout = CacheLayout(cache)
    name = cached_dataset(layout, given_once(name, dataset, "--dataset"))

    # Imported here because it loads lmdb: a mistyped name was refused before.
    from semanticmac.cache.verify import verify

    manifest = Manifest.read(layout.manifest(name))
    with Screen(err) as screen:
        damage = verify(layout, manifest, screen.progress)
    if not damage:
        clips = counted(len(manifest.rows), "clip")
        out.print(f"{name} is whole: {clips}, every shard and record read and checked")
        return

    for item in damage:
        echo(out, item)
    count = "one thing is" if len(damage) == 1 else f"{len(damage)} things are"
    command = cache_command(name, manifest.corpus, dataset_streams(layout, manifest), "--repair")
    text = f"{count} damaged. `{command}` repairs this"
    if not manifest.imported:
        text += "; give it the same --splits, --labels … as before"
    echo(out, f"{text}.", "bold red")
    raise typer.Exit(DAMAGED)
