"""The manifest that stands there before a build: which one must stay, and which of its clips outlive their files."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path

from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.shard_format import read_index
from semanticmac.preprocess.clip import CorpusError


def read_previous(layout: CacheLayout, name: str) -> Manifest | None:
    """The manifest of a dataset, or None where there is none that can be read.

    Raises CorpusError where it is of imported features, which raw videos would hide.
    """
    try:
        former = Manifest.read(layout.manifest(name))
    except (CacheIncomplete, FileNotFoundError):
        return None
    if former.fingerprint.imported:
        raise CorpusError(
            f"{layout.root} holds {name} made from imported features, which raw videos would hide; "
            "give the videos another --name, or another --cache"
        )
    return former


def continued_sampling(layout: CacheLayout, name: str, sampling: Sampling) -> Sampling:
    """The sampling to go on with: of an older version where the cache was made by it.

    Its embeddings are then kept. `--repair` decodes and encodes every clip anew instead.
    """
    former = read_previous(layout, name)
    if former is None:
        return sampling
    older = former.fingerprint.sampling
    same = replace(sampling, version=older.version, length=older.length) == older
    return older if same and older.version < sampling.version else sampling


def embedded_rows(
    former: Manifest | None, lost: Container[str], embeddings: Path
) -> dict[str, Row]:
    """By content key, the clips of the former manifest whose frames are lost and whose embeddings are in a shard."""
    if former is None:
        return {}
    held = {key for shard in read_index(embeddings) for key in shard.keys}
    return {row.key: row for row in former.rows if row.key in lost and row.key in held}


def replaced(former: Manifest | None, keys: Iterable[str], sampling: Sampling) -> int:
    """Clips of the former manifest where none of them is among those of these content keys: it was of other videos."""
    if former is None or former.fingerprint.sampling != sampling:
        return 0
    return len(former.rows) if {row.key for row in former.rows}.isdisjoint(keys) else 0
