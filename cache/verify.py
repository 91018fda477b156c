"""Checks a cache: shards, frame records and face records are read and compared with checksums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.face_store import FaceStore, face_folders
from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.frame_store import FrameStore, StoreDamaged
from semanticmac.cache.keys import Fingerprint, file_digest
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, keys_of
from semanticmac.cache.previous_format import pair_of
from semanticmac.cache.rebuild import cache_command
from semanticmac.cache.shard_format import Shard, ShardError, map_shard, read_index
from semanticmac.cache.stream_catalogue import last_streams
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
    keys = keys_of(manifest.rows)
    damage = []
    if (layout.root / "removal.json").exists():
        damage.append("a removal was stopped before its end: `semanticmac forget` finishes it")
    for folder in embedding_folders(layout):
        if keys.isdisjoint(read_index(folder).keys):
            continue
        for shard_damage in damaged_shards(folder, progress):
            damage.append(f"{folder / shard_damage.shard}: {shard_damage.reason}")
        if not _has_fingerprint(folder):
            path = folder / "fingerprint.json"
            damage.append(f"{path}: missing or changed since it was written")
    for stream, clip_ids in _without_embeddings(layout, manifest).items():
        reason = f"the embeddings of {stream} are missing"
        damage += _sentences(dict.fromkeys(clip_ids, reason))
    damage += _damaged_faces(layout, manifest, progress)
    # Imported features have no frames.
    if manifest.imported:
        return damage
    is_shared = layout.shared(manifest.dataset).exists()
    try:
        with FrameStore(layout.frames) as store:
            if is_shared:
                # An export brings no frames: those that are here were cached from videos.
                keys = {key for key in keys if key in store}
            broken = damaged_records(store, progress, keys)
    except FileNotFoundError as error:
        return damage if is_shared else [*damage, str(error)]
    except StoreDamaged as error:
        return [*damage, str(error)]
    return damage + _sentences(_reasons_of_clips(manifest, broken))


def _damaged_faces(layout: CacheLayout, manifest: Manifest, progress: ProgressFn) -> list[str]:
    """The damage to the faces of a dataset. A clip without a face record is not damaged."""
    sentences = []
    for folder in face_folders(layout):
        try:
            with FaceStore(folder) as faces:
                keys = {row.key for row in manifest.rows if row.key in faces}
                broken = damaged_records(faces, progress, keys, "checking faces")
        except StoreDamaged as error:
            sentences.append(str(error))
            continue
        sentences += _sentences(_reasons_of_clips(manifest, broken))
    return sentences


def _reasons_of_clips(manifest: Manifest, broken: Mapping[str, str]) -> dict[str, str]:
    """Content key → reason, as clip → reason."""
    reasons = {}
    for row in manifest.rows:
        if row.key in broken:
            reasons[row.clip_id] = broken[row.key]
    return reasons


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
    shards = read_index(folder).shards
    for done, shard in enumerate(shards, 1):
        reason = _shard_damage(folder / shard.file, shard)
        if reason is not None:
            damaged.append(ShardDamage(shard.file, reason))
        progress("checking shards", done, len(shards), len(damaged))
    return damaged


def damaged_records(
    store: FrameStore | FaceStore,
    progress: ProgressFn,
    keys: Iterable[str] | None = None,
    step: str = "checking frames",
) -> dict[str, str]:
    """Content key → reason of the records that are missing or changed; keys: None = all."""
    damaged: dict[str, str] = {}
    todo = sorted(store.keys() if keys is None else keys)
    for done, key in enumerate(todo, 1):
        try:
            store.check(key)
        except KeyError:
            damaged[key] = "its frames are missing"
        except RecordError as error:
            damaged[key] = str(error)
        progress(step, done, len(todo), len(damaged))
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
            streams = last_streams(layout, name)
            command = cache_command(name, manifest.corpus, streams)
            sentences.append(f"{name} is incomplete: `{command}` adds what is missing")
    return sentences


def _is_complete(manifest: Manifest, layout: CacheLayout, store: FrameStore) -> bool:
    """Whether every clip has embeddings, and frames unless its features were imported."""
    if _without_embeddings(layout, manifest):
        return False
    return manifest.imported or all(row.key in store for row in manifest.rows)


def _without_embeddings(layout: CacheLayout, manifest: Manifest) -> dict[str, list[str]]:
    """Stream → clips that it lacks, of the streams that were cached last."""
    lacking: dict[str, list[str]] = {}
    for stream in last_streams(layout, manifest.dataset).all:
        known: set[str] = set()
        for folder in (layout.embeddings(stream), layout.embeddings(pair_of(stream))):
            index = read_index(folder)
            known |= index.keys | set(index.failed)
        clip_ids = [row.clip_id for row in manifest.rows if row.key not in known]
        if clip_ids:
            lacking[f"{stream.modality} {stream.encoder}"] = clip_ids
    return lacking


def embedding_folders(layout: CacheLayout) -> list[Path]:
    """Every folder of the cache with shards."""
    return [path.parent for path in sorted(layout.root.glob("embeddings/*/index.json"))]


def _has_fingerprint(folder: Path) -> bool:
    """Whether the folder has the name of its fingerprint."""
    try:
        return Fingerprint.read(folder).name == folder.name
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
