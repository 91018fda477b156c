"""The manifest of the previous build: its sampling and clips can outlive their video files."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.shard_format import read_index
from semanticmac.cache.verify import embedding_folders
from semanticmac.preprocess.clip import CorpusError


def read_previous(layout: CacheLayout, name: str) -> Manifest | None:
    """The manifest of a dataset, or None if there is none that can be read.

    Raises CorpusError if it was made from imported features. A build from raw videos would hide
    them.
    """
    try:
        previous = Manifest.read(layout.manifest(name))
    except (CacheIncomplete, FileNotFoundError):
        return None
    if previous.imported:
        raise CorpusError(
            f"{layout.root} holds {name} made from imported features, which raw videos would hide; "
            "give the videos another --name, or another --cache"
        )
    return previous


def continued_sampling(layout: CacheLayout, name: str, sampling: Sampling) -> Sampling:
    """The sampling to continue with: that of the cache if an older version of the decoding made it.

    Its embeddings are then kept. `--repair` decodes and encodes every clip anew instead.
    """
    previous = read_previous(layout, name)
    if previous is None or previous.sampling is None:
        return sampling
    older = previous.sampling
    same = replace(sampling, version=older.version, length=older.length) == older
    return older if same and older.version < sampling.version else sampling


def embedded_rows(previous: Manifest | None, layout: CacheLayout) -> dict[str, Row]:
    """The previous rows that at least one stream of the cache holds, by content key."""
    if previous is None:
        return {}
    embedded: set[str] = set()
    for folder in embedding_folders(layout):
        embedded |= read_index(folder).keys
    return {row.key: row for row in previous.rows if row.key in embedded}


def count_replaced(previous: Manifest | None, keys: AbstractSet[str], sampling: Sampling) -> int:
    """The number of previous clips if none of them is in the new build, else 0."""
    if previous is None or previous.sampling != sampling:
        return 0
    shared = any(row.key in keys for row in previous.rows)
    return 0 if shared else len(previous.rows)
