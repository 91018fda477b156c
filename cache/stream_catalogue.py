"""Which streams a cache holds, which of them were cached last, and the choice by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.embedding_store import EmbeddingReader, EmbeddingWriter
from semanticmac.cache.keys import LAST, Fingerprint
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.previous_format import manifest_pair, pair_of, split_pair
from semanticmac.cache.shard_format import read_index
from semanticmac.cache.streams import Streams
from semanticmac.core import FRAME_MODALITIES, FrameModality


@dataclass(frozen=True)
class CachedStream:
    """One stream of a cache."""

    fingerprint: Fingerprint
    keys: frozenset[str]  # content keys of its clips
    failed: Mapping[str, str]  # content key → reason of the clips that the encoder refused
    bytes: int  # of its shards; of a folder of version 0.1 half of them
    shards: int

    def clips_of(self, manifest: Manifest) -> int:
        """How many clips of a dataset it holds."""
        return sum(row.key in self.keys for row in manifest.rows)


def earlier_folder(layout: CacheLayout, stream: Fingerprint) -> Path | None:
    """The folder of version 0.1 that holds clips of this stream; None if there is none."""
    folder = layout.embeddings(pair_of(stream))
    return folder if (folder / "index.json").exists() else None


def open_reader(layout: CacheLayout, stream: Fingerprint) -> EmbeddingReader:
    """Reads one stream of the cache. Raises CacheIncomplete if it is not there."""
    folder = layout.embeddings(stream)
    return EmbeddingReader(folder, stream, earlier_folder(layout, stream))


def open_writer(layout: CacheLayout, stream: Fingerprint) -> EmbeddingWriter:
    """Adds clips to one stream of the cache."""
    folder = layout.embeddings(stream)
    return EmbeddingWriter(folder, stream, earlier=earlier_folder(layout, stream))


def stream_folders(layout: CacheLayout) -> Iterator[tuple[Path, Fingerprint]]:
    """Every folder of embeddings with its fingerprint. Folders that cannot be read are left out."""
    for path in sorted(layout.root.glob("embeddings/*/fingerprint.json")):
        try:
            yield path.parent, Fingerprint.read(path.parent)
        except (OSError, ValueError, KeyError, TypeError):
            continue


def cached_streams(layout: CacheLayout) -> list[CachedStream]:
    """All streams of the cache, in the order of their names.

    Raises CacheIncomplete where an index is damaged.
    """
    parts: dict[Fingerprint, CachedStream] = {}
    for folder, fingerprint in stream_folders(layout):
        index = read_index(folder)
        size = sum(shard.bytes for shard in index.shards)
        streams: Sequence[Fingerprint] = [fingerprint]
        if fingerprint.modality == "both":
            streams, size = split_pair(fingerprint), size // 2
        for stream in streams:
            part = CachedStream(
                stream, frozenset(index.keys), index.failed, size, len(index.shards)
            )
            parts[stream] = _merged(parts.get(stream), part)
    return sorted(parts.values(), key=lambda stream: stream.fingerprint.name)


def _merged(first: CachedStream | None, second: CachedStream) -> CachedStream:
    if first is None:
        return second
    return CachedStream(
        second.fingerprint,
        first.keys | second.keys,
        {**first.failed, **second.failed},
        first.bytes + second.bytes,
        first.shards + second.shards,
    )


def last_streams(layout: CacheLayout, dataset: str) -> Streams:
    """The streams that were cached last, one of each modality at most.

    Raises CacheIncomplete where the file that names them is damaged.
    """
    path = layout.streams(dataset)
    if not path.exists():
        pair = manifest_pair(layout, dataset)
        return Streams() if pair is None else Streams.of_pair(pair)
    try:
        return Streams.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CacheIncomplete(
            f"{path} is damaged ({error}). Delete it, and name the streams with `--set vision=` "
            "and `--set audio=`, or run `semanticmac cache` again: it writes the file"
        ) from None


def record_last(layout: CacheLayout, dataset: str, cached: Sequence[Fingerprint]) -> None:
    """Remembers the streams that were cached last; a modality without one keeps its stream."""
    before, now = last_streams(layout, dataset), Streams.group(cached)
    last = Streams(now.vision[-1:] or before.vision, now.audio[-1:] or before.audio)
    text = json.dumps(last.to_dict(), indent=1)
    path = layout.streams(dataset)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def choose_streams(
    layout: CacheLayout, manifest: Manifest, vision: str = LAST, audio: str = LAST
) -> Streams:
    """The streams of a dataset by the names of their encoders; "last" = what was cached last.

    Names are joined by `+`. A name is that of an encoder, or of the stream's folder where several
    streams have the same encoder. Raises CacheIncomplete for a name that the cache does not hold.
    """
    last = last_streams(layout, manifest.dataset)
    names: dict[FrameModality, str] = {"vision": vision, "audio": audio}
    chosen: list[Fingerprint] = []
    held: Streams | None = None
    for modality in FRAME_MODALITIES:
        if names[modality] == LAST:
            chosen += last.of(modality)
            continue
        if held is None:
            held = dataset_streams(layout, manifest)
        candidates = held.of(modality)
        for name in names[modality].split("+"):
            chosen.append(_by_name(name.strip(), modality, candidates, manifest))
    return Streams.group(chosen)


def dataset_streams(layout: CacheLayout, manifest: Manifest) -> Streams:
    """The streams that were cached last, then all others that hold a clip of the dataset."""
    streams = list(last_streams(layout, manifest.dataset).all)
    for cached in cached_streams(layout):
        if cached.clips_of(manifest):
            streams.append(cached.fingerprint)
    return Streams.group(dict.fromkeys(streams))


def _by_name(
    name: str, modality: str, candidates: Sequence[Fingerprint], manifest: Manifest
) -> Fingerprint:
    matches = [stream for stream in candidates if name in (stream.encoder, stream.name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        folders = ", ".join(stream.name for stream in matches)
        raise CacheIncomplete(
            f"{modality}={name} names {len(matches)} streams of {manifest.dataset}: give the name "
            f"of the folder, one of {folders}"
        )
    cached = ", ".join(stream.encoder for stream in candidates) or "none"
    raise CacheIncomplete(
        f"{manifest.dataset} has no {modality} stream of {name!r} (cached: {cached}): "
        f"`semanticmac cache {manifest.corpus} --{modality} …` adds one and opens no video"
    )
