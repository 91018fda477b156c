"""The command verify: every byte of one cached dataset is read and checked."""

from __future__ import annotations

import typer

from semanticmac.commands.common import cached_dataset
from semanticmac.commands.options import CACHE, CachedDataset, CacheDir
from semanticmac.commands.ui.screen import DAMAGED, echo, err, out


def verify(dataset: CachedDataset = None, cache: CacheDir = CACHE) -> None:
    """Read and check every shard and every frame record of a dataset; exit code 1 with the list of what is wrong."""
    from semanticmac.cache.layout import CacheLayout, cache_command
    from semanticmac.cache.manifest import Manifest
    from semanticmac.cache.verify import verify
    from semanticmac.commands.ui.progress import Screen

    layout = CacheLayout(cache)
    name = cached_dataset(layout, dataset)
    manifest = Manifest.read(layout.manifest(name))
    with Screen(err) as screen:
        damage = verify(layout, manifest, screen.progress)
    if not damage:
        out.print(
            f"{name} is whole: {len(manifest.rows)} clips, every shard and every frame record read and checked"
        )
        return
    for item in damage:
        echo(out, item)
    wrong, it = (
        ("one thing is wrong", "it")
        if len(damage) == 1
        else (f"{len(damage)} things are wrong", "them")
    )
    again = cache_command(name, manifest.corpus, manifest.fingerprint, "--repair")
    lists = (
        ""
        if manifest.fingerprint.imported
        else ", with the --splits, --labels … that it was cached with"
    )
    echo(out, f"{wrong}. `{again}` makes {it} again{lists}.", "bold red")
    raise typer.Exit(DAMAGED)
