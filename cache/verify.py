"""Checks a cache: every shard and every frame record is read and compared with its checksum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.frame_store import FrameStore, StoreDamaged
from semanticmac.cache.keys import Fingerprint, file_digest
from semanticmac.cache.layout import CacheIncomplete, CacheLayout, cache_command
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.shard_format import Shard, ShardError, map_shard, read_index
from semanticmac.core import ProgressFn

MOST_NAMES = 5  # clips named in one sentence


@dataclass(frozen=True)
class ShardDamage:
    """A shard that does not match the index."""

    shard: str  # file name
    reason: str


def verify(layout: CacheLayout, manifest: Manifest, progress: ProgressFn) -> list[str]:
    """The damage to a dataset's data in the cache, one sentence each; empty = all is well."""
    if not manifest.rows:
        failures = layout.failures(manifest.dataset)
        return [f"{manifest.dataset} has no clip: {failures} lists the reasons"]
    folder = layout.embeddings(manifest.fingerprint)
    damage = []
    for shard_damage in damaged_shards(folder, progress):
        damage.append(f"{folder / shard_damage.shard}: {shard_damage.reason}")
    if not _has_fingerprint(folder, manifest.fingerprint):
        path = folder / "fingerprint.json"
        damage.append(f"{path}: missing or changed since it was written")

    keys = _embedded_keys(folder)
    reasons: dict[str, str] = {}
    for row in manifest.rows:
        if row.key not in keys:
            reasons[row.clip_id] = "its embeddings are missing"
    damage += _sentences(reasons)
    # Imported features have no frames.
    if manifest.fingerprint.imported:
        return damage
    try:
        with FrameStore(layout.frames) as store:
            broken = damaged_records(store, progress, {row.key for row in manifest.rows})
    except (StoreDamaged, FileNotFoundError) as error:
        return [*damage, str(error)]
    reasons = {}
    for row in manifest.rows:
        if row.key in broken:
            reasons[row.clip_id] = broken[row.key]
    return damage + _sentences(reasons)


def _sentences(reasons: Mapping[str, str]) -> list[str]:
    """Clip → reason, as one sentence per reason."""
    clips: dict[str, list[str]] = {}
    for clip_id, reason in reasons.items():
        clips.setdefault(reason, []).append(clip_id)
    sentences = []
    for reason, names in clips.items():
        subject = ", ".join(names[:MOST_NAMES])
        if len(names) > MOST_NAMES:
            subject = f"{len(names)} clips ({subject} …)"
        sentences.append(f"{subject}: {reason}")
    return sentences


def damaged_shards(folder: Path, progress: ProgressFn) -> list[ShardDamage]:
    """The shards that are missing, cut, or changed since they were written."""
    damaged: list[ShardDamage] = []
    shards = read_index(folder)
    for done, shard in enumerate(shards, 1):
        reason = _shard_damage(folder / shard.file, shard)
        if reason is not None:
            damaged.append(ShardDamage(shard.file, reason))
        progress("checking shards", done, len(shards), len(damaged))
    return damaged


def damaged_records(
    store: FrameStore, progress: ProgressFn, keys: Iterable[str] | None = None
) -> dict[str, str]:
    """Content key → reason of the frame records that are missing or changed; keys: None = all."""
    damaged: dict[str, str] = {}
    todo = sorted(store.keys() if keys is None else keys)
    for done, key in enumerate(todo, 1):
        try:
            store.check(key)
        except KeyError:
            damaged[key] = "its frames are missing"
        except RecordError as error:
            damaged[key] = str(error)
        progress("checking frames", done, len(todo), len(damaged))
    return damaged


def incomplete_datasets(layout: CacheLayout, store: FrameStore) -> list[str]:
    """The datasets that lack data, one sentence each.

    Datasets share frames and shards, so a repair of one of them can remove data of another.
    """
    sentences = []
    for name in sorted(layout.datasets()):
        try:
            manifest = Manifest.read(layout.manifest(name))
            complete = _is_complete(manifest, layout, store)
        except CacheIncomplete as error:
            sentences.append(f"{name} is incomplete: {error}")
            continue
        if not complete:
            command = cache_command(name, manifest.corpus, manifest.fingerprint)
            sentences.append(f"{name} is incomplete: `{command}` adds what is missing")
    return sentences


def _is_complete(manifest: Manifest, layout: CacheLayout, store: FrameStore) -> bool:
    """Whether every clip has embeddings, and frames unless its features were imported."""
    keys = _embedded_keys(layout.embeddings(manifest.fingerprint))
    for row in manifest.rows:
        has_frames = manifest.fingerprint.imported or row.key in store
        if row.key not in keys or not has_frames:
            return False
    return True


def _embedded_keys(folder: Path) -> set[str]:
    keys: set[str] = set()
    for shard in read_index(folder):
        keys.update(shard.keys)
    return keys


def _has_fingerprint(folder: Path, fingerprint: Fingerprint) -> bool:
    try:
        return Fingerprint.read(folder) == fingerprint
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _shard_damage(path: Path, shard: Shard) -> str | None:
    if not path.exists():
        return "missing, but the index names it"
    size = path.stat().st_size
    if size != shard.bytes:
        return f"{size} bytes, expected {shard.bytes}: it was cut or overwritten"
    if file_digest(path) != shard.sha256:
        return "its SHA-256 is not the one in the index: bytes changed after it was written"
    try:
        map_shard(path, shard)
    except ShardError as error:
        return str(error)
    return None
