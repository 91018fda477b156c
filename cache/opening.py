"""A cached dataset opened with its streams: the clips that all of them hold, and their reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from semanticmac.cache.embedding_store import EmbeddingReader
from semanticmac.cache.keys import LAST
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.records import Embeddings, concatenate
from semanticmac.cache.stream_catalogue import choose_streams, last_streams, open_reader
from semanticmac.cache.streams import Streams
from semanticmac.core import counted

MOST_NAMES = 3  # clips named in a note


class StreamReader:
    """Reads the chosen streams by content key; several of one modality side by side."""

    def __init__(self, layout: CacheLayout, streams: Streams) -> None:
        """Raises CacheIncomplete where the cache lacks a stream."""
        self.streams = streams
        self.widths = streams.widths
        self._vision = [open_reader(layout, stream) for stream in streams.vision]
        self._audio = [open_reader(layout, stream) for stream in streams.audio]

    def __contains__(self, key: str) -> bool:
        return all(key in reader for reader in (*self._vision, *self._audio))

    def get(self, key: str) -> Embeddings:
        """The embeddings of one clip.

        Raises KeyError where a stream lacks the clip, and CacheIncomplete where a shard is damaged
        or two streams of one modality have different numbers of rows.
        """
        try:
            return Embeddings(_joined(self._vision, key), _joined(self._audio, key))
        except ValueError as error:
            raise CacheIncomplete(f"{self.streams.describe()}: {error}") from None

    def columns(self, keys: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """The embeddings of clips as Arrow columns, one for each stream; nothing is copied.

        Named `vision` and `audio`; from the second stream of a modality on `vision_2` and so on.
        """
        columns = {}
        for modality, readers in (("vision", self._vision), ("audio", self._audio)):
            for number, reader in enumerate(readers, 1):
                name = modality if number == 1 else f"{modality}_{number}"
                columns[name] = reader.column(keys)
        return columns

    def refusals(self, key: str) -> list[str]:
        """Why encoders could not encode a clip, each reason after the name of its encoder."""
        reasons = []
        for reader in (*self._vision, *self._audio):
            if key not in reader and key in reader.failed:
                reasons.append(f"{reader.fingerprint.encoder}: {reader.failed[key]}")
        return reasons

    def lacking(self, key: str) -> Streams:
        """The streams that lack a clip."""
        lacking = []
        for reader in (*self._vision, *self._audio):
            if key not in reader:
                lacking.append(reader.fingerprint)
        return Streams.group(lacking)


def _joined(readers: Sequence[EmbeddingReader], key: str) -> np.ndarray | None:
    return concatenate([reader.get(key) for reader in readers])


@dataclass(frozen=True)
class OpenedDataset:
    """The clips of a dataset that can be read with the chosen streams."""

    manifest: Manifest  # without the clips that an encoder refused
    reader: StreamReader
    notes: tuple[str, ...]  # names the clips that are left out

    @property
    def streams(self) -> Streams:
        return self.reader.streams


def open_cached(
    layout: CacheLayout, dataset: str, vision: str = LAST, audio: str = LAST
) -> OpenedDataset:
    """A dataset with streams by name (stream_catalogue.choose_streams)."""
    manifest = Manifest.read(layout.manifest(dataset))
    streams = choose_streams(layout, manifest, vision, audio)
    return _open(layout, manifest, streams)


def open_with(layout: CacheLayout, dataset: str, streams: Streams) -> OpenedDataset:
    """A dataset with exactly these streams, as a run needs them.

    Raises CacheIncomplete if the cache lacks one; the message names the fields in which the streams
    that were cached last differ.
    """
    manifest = Manifest.read(layout.manifest(dataset))
    for stream in streams.all:
        try:
            open_reader(layout, stream)
        except (CacheIncomplete, OSError):
            last = last_streams(layout, dataset)
            differences = "; ".join(last.differences(streams)) or f"{stream.name} is missing"
            raise CacheIncomplete(
                f"{layout.root} does not hold the {stream.modality} stream of {stream.encoder} "
                f"that is wanted for {dataset}. Cached last, and wanted: {differences}"
            ) from None
    return _open(layout, manifest, streams)


def _open(layout: CacheLayout, manifest: Manifest, streams: Streams) -> OpenedDataset:
    reader = StreamReader(layout, streams)
    rows: list[Row] = []
    refused: list[str] = []
    for row in manifest.rows:
        reasons = reader.refusals(row.key)
        if reasons:
            refused.append(f"{row.clip_id} ({'; '.join(reasons)})")
        else:
            rows.append(row)
    if not refused:
        return OpenedDataset(manifest, reader, ())
    names = ", ".join(refused[:MOST_NAMES])
    more = " …" if len(refused) > MOST_NAMES else ""
    note = f"{counted(len(refused), 'clip', 'are')} left out, because a stream lacks them: "
    return OpenedDataset(replace(manifest, rows=tuple(rows)), reader, (note + names + more,))
