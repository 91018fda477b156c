"""Removal of clips: rows, frames, faces and embeddings, so that no byte of them is left.

The plan is written to removal.json first and removed last. A removal that was killed is finished by
the next one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.failures import read_failures, write_failures
from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import file_digest
from semanticmac.cache.layout import CacheLayout, subfolders
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.removal_plan import Removal
from semanticmac.cache.shard_format import (
    Index,
    Shard,
    map_shard,
    read_index,
    write_index,
    write_shard,
)
from semanticmac.core import ProgressFn

REMOVED_NAME = "(removed)"


@dataclass(frozen=True)
class Removed:
    """What a removal has changed."""

    rows: int
    frames: int
    faces: int
    embeddings: int
    datasets: tuple[str, ...]  # that had no other clip and are gone altogether


def journal(layout: CacheLayout) -> Path:
    return layout.root / "removal.json"


def unfinished(layout: CacheLayout) -> Removal | None:
    """The removal that was killed, or None."""
    path = journal(layout)
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    rows = {dataset: tuple(names) for dataset, names in fields["rows"].items()}
    return Removal(fields["target"], tuple(fields["keys"]), rows, tuple(fields["files"]))


def remove(layout: CacheLayout, removal: Removal, progress: ProgressFn) -> Removed:
    """Removes it. Call it with the build lock. A second call after a kill does the rest."""
    write_text(journal(layout), json.dumps(asdict(removal)))
    keys = set(removal.keys)
    rows, emptied = 0, []
    for name, clip_ids in removal.rows.items():
        if layout.manifest(name).exists():
            rows += _remove_rows(layout, name, set(clip_ids), keys)
            if not Manifest.read(layout.manifest(name)).rows:
                shutil.rmtree(layout.dataset(name))
                emptied.append(name)

    folders = subfolders(layout.root / "embeddings")
    embeddings = 0
    for done, folder in enumerate(folders, 1):
        embeddings += _remove_embeddings(folder, keys)
        progress("rewriting embeddings", done, len(folders), 0)
    progress("rewriting frames", 0, 1, 0)
    frames = FrameStore.rewrite_without(layout.frames, keys)
    faces = 0
    for path in sorted(layout.root.glob("faces/*/data.mdb")):
        faces += FrameStore.rewrite_without(path.parent, keys)
    progress("rewriting frames", 1, 1, 0)

    hashes = FileHashes(layout.file_hashes)
    hashes.remove(removal.files)
    hashes.save()
    journal(layout).unlink()
    return Removed(rows, frames, faces, embeddings, tuple(emptied))


def _remove_rows(layout: CacheLayout, name: str, clip_ids: set[str], keys: set[str]) -> int:
    """Writes the manifest and the failures of a dataset without these clips."""
    manifest = Manifest.read(layout.manifest(name))
    kept = []
    for row in manifest.rows:
        if row.clip_id not in clip_ids and row.key not in keys:
            kept.append(row)
    notes = tuple(_without_names(note, clip_ids) for note in manifest.notes)
    replace(manifest, rows=tuple(kept), notes=notes).write(layout.manifest(name))
    failures = []
    for failure in read_failures(layout.failures(name)):
        if failure.clip_id not in clip_ids:
            failures.append(failure)
    if layout.failures(name).exists():
        write_failures(layout.failures(name), failures)
    return len(manifest.rows) - len(kept)


def _without_names(note: str, clip_ids: Iterable[str]) -> str:
    for clip_id in clip_ids:
        note = re.sub(rf"(?<![\w-]){re.escape(clip_id)}(?![\w-])", REMOVED_NAME, note)
    return note


def _remove_embeddings(folder: Path, keys: set[str]) -> int:
    """Rewrites the shards of a stream without these clips; returns how many it held."""
    removed = 0
    for key in keys:
        pending = folder / "pending" / f"{key}.arrow"
        if pending.exists():
            pending.unlink()
            removed += 1
    if not (folder / "index.json").exists():
        return removed
    index = read_index(folder)
    if not keys.isdisjoint(index.keys) or not keys.isdisjoint(index.failed):
        used = {shard.file for shard in index.shards}
        shards = []
        for shard in index.shards:
            removed += len(keys & set(shard.keys))
            rewritten = _rewrite_shard(folder, shard, keys, used)
            if rewritten is not None:
                shards.append(rewritten)
        failed = dict(index.failed)
        for key in keys:
            failed.pop(key, None)
        write_index(folder, Index(tuple(shards), failed))
    # Shards that the index does not name: those just replaced, also by a removal that was killed.
    named = {shard.file for shard in read_index(folder).shards}
    for path in folder.glob("shard-*.arrow"):
        if path.name not in named:
            path.unlink()
    return removed


def _rewrite_shard(folder: Path, shard: Shard, keys: set[str], used: set[str]) -> Shard | None:
    """The same shard, a new one without these clips, or None if nothing is left of it."""
    kept = [row for row, key in enumerate(shard.keys) if key not in keys]
    if len(kept) == len(shard.keys):
        return shard
    if not kept:
        return None
    batch = map_shard(folder / shard.file, shard)
    number = 0
    while f"shard-{number:05d}.arrow" in used:
        number += 1
    path = folder / f"shard-{number:05d}.arrow"
    used.add(path.name)
    # `take` copies: no byte of the other rows is in the new buffers.
    write_shard(path, batch.take(pa.array(kept, pa.int64())))
    names = tuple(shard.keys[row] for row in kept)
    return Shard(path.name, file_digest(path), path.stat().st_size, names)
