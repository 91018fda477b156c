"""Is this cache whole? Every shard and every frame record read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.embedding_store import (
    CacheIncomplete,
    Shard,
    ShardError,
    map_shard,
    read_index,
)
from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.frame_store import FrameStore, StoreDamaged
from semanticmac.cache.keys import Fingerprint, file_digest
from semanticmac.cache.layout import CacheLayout, cache_command
from semanticmac.cache.manifest import Manifest
from semanticmac.core import ProgressFn

NAMED = 5  # clips that a sentence about many names


@dataclass(frozen=True)
class ShardDamage:
    """A shard that is not as the index says."""

    shard: str  # file name
    reason: str


def verify(layout: CacheLayout, manifest: Manifest, progress: ProgressFn) -> list[str]:
    """Everything that is wrong with what a dataset needs of the cache, one sentence each; empty = it is whole."""
    if not manifest.rows:
        return [
            f"{manifest.dataset} holds not one clip: {layout.failures(manifest.dataset)} says why"
        ]
    folder = layout.embeddings(manifest.fingerprint)
    found = [
        f"{folder / damage.shard}: {damage.reason}" for damage in damaged_shards(folder, progress)
    ]
    found += _fingerprint_damage(folder, manifest)
    held = _embedded(folder)
    found += _of_clips(
        {row.clip_id: "its embeddings are missing" for row in manifest.rows if row.key not in held}
    )
    if manifest.fingerprint.imported:  # there are no frames that imported features were made from
        return found
    try:
        with FrameStore(layout.frames) as store:
            broken = damaged_records(store, progress, {row.key for row in manifest.rows})
    except (StoreDamaged, FileNotFoundError) as error:
        return [*found, str(error)]
    return found + _of_clips(
        {row.clip_id: broken[row.key] for row in manifest.rows if row.key in broken}
    )


def _of_clips(reasons: Mapping[str, str]) -> list[str]:
    """Clip → what is wrong with it, as one sentence for all clips of which the same is true."""
    clips: dict[str, list[str]] = {}
    for clip_id, reason in reasons.items():
        clips.setdefault(reason, []).append(clip_id)
    return [f"{_some(names)}: {reason}" for reason, names in clips.items()]


def _some(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{len(names)} clips ({', '.join(names[:NAMED])} …)"


def damaged_shards(folder: Path, progress: ProgressFn) -> list[ShardDamage]:
    """Shards that are missing, cut, or changed since they were written."""
    found: list[ShardDamage] = []
    shards = read_index(folder)
    for done, shard in enumerate(shards, 1):
        reason = _shard_damage(folder / shard.file, shard)
        if reason is not None:
            found.append(ShardDamage(shard.file, reason))
        progress("checking shards", done, len(shards), len(found))
    return found


def damaged_records(
    store: FrameStore, progress: ProgressFn, keys: Iterable[str] | None = None
) -> dict[str, str]:
    """Content keys of frame records that are missing or changed, with the reason.

    Without keys: of all stored.
    """
    found: dict[str, str] = {}
    todo = sorted(store.keys() if keys is None else keys)
    for done, key in enumerate(todo, 1):
        try:
            store.check(key)
        except KeyError:
            found[key] = "its frames are missing"
        except RecordError as error:
            found[key] = str(error)
        progress("checking frames", done, len(todo), len(found))
    return found


def incomplete(layout: CacheLayout, store: FrameStore) -> list[str]:
    """The datasets that are not whole, one sentence each: they share what a repair of one of them drops."""
    found = []
    for name in sorted(layout.datasets()):
        try:
            manifest = Manifest.read(layout.manifest(name))
            held = _embedded(layout.embeddings(manifest.fingerprint))
        except CacheIncomplete as error:
            found.append(f"{name} is not whole: {error}")
            continue
        framed = manifest.fingerprint.imported  # such clips never had frames
        if not all(row.key in held and (framed or row.key in store) for row in manifest.rows):
            command = cache_command(name, manifest.corpus, manifest.fingerprint)
            found.append(f"{name} is not whole: `{command}` makes again what it lacks")
    return found


def _embedded(folder: Path) -> set[str]:
    return {key for shard in read_index(folder) for key in shard.keys}


def _fingerprint_damage(folder: Path, manifest: Manifest) -> list[str]:
    try:
        whole = Fingerprint.read(folder) == manifest.fingerprint
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    return (
        [] if whole else [f"{folder / 'fingerprint.json'}: missing or changed since it was written"]
    )


def _shard_damage(path: Path, shard: Shard) -> str | None:
    if not path.exists():
        return "missing, but the index names it"
    if path.stat().st_size != shard.bytes:
        return f"{path.stat().st_size} bytes, expected {shard.bytes}: it was cut or overwritten"
    if file_digest(path) != shard.sha256:
        return "its SHA-256 is not the one in the index: bytes changed after it was written"
    try:
        map_shard(path, shard)
    except ShardError as error:
        return str(error)
    return None
