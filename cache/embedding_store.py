"""EmbeddingWriter and EmbeddingReader: one stream by content key, in memory-mapped shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semanticmac.cache.atomic_io import ChecksumMismatch, read_checksummed, write_text
from semanticmac.cache.keys import Fingerprint, file_digest
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.previous_format import pair_of
from semanticmac.cache.shard_format import (
    Index,
    MappedShard,
    Shard,
    ShardError,
    embedding_schema,
    embedding_type,
    map_shard,
    read_index,
    read_pending,
    record_batch,
    write_index,
    write_pending,
    write_shard,
)

SHARD_BYTES = 64 << 20


class EmbeddingWriter:
    """Adds clips to the folder of one stream (shard_format.py).

    Each clip is first a file of its own, so a killed process loses one clip at most. `finish` puts
    the remaining clips into a shard.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: Fingerprint,
        *,
        earlier: Path | None = None,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        """earlier: a folder of version 0.1 with clips of this stream, which are not added again."""
        self.folder = folder
        self.label = f"{fingerprint.modality} {fingerprint.encoder}"
        self._pending = folder / "pending"
        self._shard_bytes = shard_bytes
        self._schema = embedding_schema(fingerprint.width)
        self._fingerprint_text = fingerprint.to_json()
        if folder.exists():
            self._prepare_folder()
        self._earlier = read_index(earlier).keys if earlier is not None else set()
        self._index = read_index(folder)
        self._in_shards = self._index.keys | self._earlier
        self._failed = dict(self._index.failed)
        self._remove_damaged_pending()
        # Sizes of the pending clips in bytes, in the order in which they enter the next shard.
        self._queue: dict[str, int] = {}

    def _prepare_folder(self) -> None:
        self._pending.mkdir(parents=True, exist_ok=True)
        path, text = self.folder / "fingerprint.json", self._fingerprint_text
        if not path.exists() or path.read_bytes() != text.encode():
            write_text(path, text)

    def __contains__(self, key: str) -> bool:
        return key in self._in_shards or self._pending_path(key).exists()

    def add(self, key: str, embeddings: np.ndarray | None) -> None:
        """Queues one clip for the next shard; embeddings: None = it lacks the modality.

        Call `add` or `keep` for every clip in the order of the corpus, so that a continued run
        writes the same shards.
        """
        # Two clips may have the same content.
        if key in self._in_shards or key in self._queue:
            return
        if not self._pending.exists():
            self._prepare_folder()
        write_pending(self._pending_path(key), record_batch([key], [embeddings], self._schema))
        self.keep(key)

    def keep(self, key: str) -> None:
        """Queues a clip that a stopped run has left as a pending file, or that is in a shard."""
        if key in self._in_shards or key in self._queue:
            return
        self._failed.pop(key, None)
        self._queue[key] = self._pending_path(key).stat().st_size
        if sum(self._queue.values()) >= self._shard_bytes:
            self._flush_shard()

    def fail(self, key: str, reason: str) -> None:
        """Records that the encoder cannot encode a clip."""
        if not self._pending.exists():
            self._prepare_folder()
        self._failed[key] = reason

    def finish(self) -> None:
        """Writes the queued clips into a shard; afterwards all clips are in shards."""
        if self._queue:
            self._flush_shard()
        elif self._failed != self._index.failed:
            self._write_index(self._index.shards)
        # A killed run may have left pending files of clips that are in a shard.
        for path in self._pending.glob("*.arrow"):
            if path.stem in self._in_shards:
                path.unlink()

    def remove_shards(self, files: Sequence[str]) -> None:
        """Removes damaged shards, so that their clips are encoded again."""
        # Without shards to remove, no index is written: a new folder gets its index last.
        if not files:
            return
        remove_shards(self.folder, files)
        self._index = read_index(self.folder)
        self._in_shards = self._index.keys | self._earlier

    def _write_index(self, shards: Sequence[Shard]) -> None:
        self._index = Index(tuple(shards), dict(self._failed))
        write_index(self.folder, self._index)

    def _remove_damaged_pending(self) -> None:
        """Removes damaged pending files, so that their clips are encoded again."""
        for path in self._pending.glob("*.arrow"):
            try:
                read_checksummed(path)
            except ChecksumMismatch:
                path.unlink()

    def _pending_path(self, key: str) -> Path:
        return self._pending / f"{key}.arrow"

    def _flush_shard(self) -> None:
        """Writes the queued clips into the next shard and the index, then removes their files."""
        keys = list(self._queue)
        clips = [read_pending(self._pending_path(key)) for key in keys]
        path = self._new_shard_path()
        write_shard(path, record_batch(keys, clips, self._schema))
        shard = Shard(path.name, file_digest(path), path.stat().st_size, tuple(keys))
        self._write_index([*self._index.shards, shard])
        self._in_shards.update(keys)
        self._queue.clear()
        for key in keys:
            self._pending_path(key).unlink()

    def _new_shard_path(self) -> Path:
        """The path with the lowest number that no shard of the index has."""
        taken = {shard.file for shard in self._index.shards}
        number = 0
        while f"shard-{number:05d}.arrow" in taken:
            number += 1
        return self.folder / f"shard-{number:05d}.arrow"


def remove_shards(folder: Path, files: Sequence[str]) -> None:
    """Removes damaged shards of a folder, of this version or of version 0.1."""
    index = read_index(folder)
    kept = tuple(shard for shard in index.shards if shard.file not in files)
    write_index(folder, Index(kept, index.failed))
    for file in files:
        (folder / file).unlink(missing_ok=True)


class EmbeddingReader:
    """Reads one stream by content key without copying: arrays are views of memory-mapped shards."""

    def __init__(
        self, folder: Path, expected: Fingerprint | None = None, earlier: Path | None = None
    ) -> None:
        """earlier: a folder of version 0.1 that holds clips of the expected stream.

        Raises CacheIncomplete where there is no index, or a fingerprint that was not expected.
        """
        self.folder = folder
        # Content key → (path of the shard, row in it).
        self._positions: dict[str, tuple[Path, int]] = {}
        self._shards: dict[Path, Shard] = {}
        self._mapped: dict[Path, MappedShard] = {}
        self.failed: Mapping[str, str] = {}
        if expected is not None and earlier is not None:
            self._add(earlier, pair_of(expected))
        has_index = (folder / "index.json").exists()
        if not has_index and not self._shards:
            raise CacheIncomplete(
                f"{folder} has no index.json: building it was interrupted. "
                "Run `semanticmac cache` again; it resumes."
            )
        if has_index:
            self._add(folder, expected)
        self.fingerprint = expected or Fingerprint.read(folder)

    def _add(self, folder: Path, expected: Fingerprint | None) -> None:
        """Adds the clips of one folder."""
        fingerprint = Fingerprint.read(folder)
        if expected is not None and expected != fingerprint:
            differences = "; ".join(fingerprint.differences(expected))
            raise CacheIncomplete(
                f"{folder} was made with another encoder or sampling than expected: {differences}"
            )
        index = read_index(folder)
        self.failed = index.failed
        for shard in index.shards:
            path = folder / shard.file
            self._shards[path] = shard
            for row, key in enumerate(shard.keys):
                self._positions[key] = (path, row)

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __getstate__(self) -> dict[str, object]:
        # A memory map cannot be sent to the worker processes of a DataLoader: each opens its own.
        return {**self.__dict__, "_mapped": {}}

    def get(self, key: str) -> np.ndarray | None:
        """The embeddings of one clip, (F, E), as a read-only view; None = it lacks the modality.

        Raises KeyError where the key has no embeddings, and CacheIncomplete where its shard does
        not match the index: it is damaged, or another process repaired the cache meanwhile.
        """
        path, row = self._positions[key]
        if path not in self._mapped:
            self._mapped[path] = self._map(path)
        return self._mapped[path].clip(row)

    def column(self, keys: Sequence[str]) -> pa.ChunkedArray:
        """The embeddings of clips as an Arrow column over the mapped shards; nothing is copied.

        Neighbouring clips of one shard are one chunk. A clip that lacks the modality is null.
        Raises what `get` raises.
        """
        chunks = []
        for path, first, count in self._runs(keys):
            batch = self._batch(path)
            name = "embeddings" if "embeddings" in batch.schema.names else self.fingerprint.modality
            chunks.append(batch.column(name).slice(first, count))
        return pa.chunked_array(chunks, embedding_type(self.fingerprint.width))

    def _runs(self, keys: Sequence[str]) -> list[tuple[Path, int, int]]:
        """Shard, first row and number of rows of each stretch of neighbouring clips."""
        runs: list[tuple[Path, int, int]] = []
        for key in keys:
            path, row = self._positions[key]
            if runs and runs[-1][0] == path and runs[-1][1] + runs[-1][2] == row:
                runs[-1] = (path, runs[-1][1], runs[-1][2] + 1)
            else:
                runs.append((path, row, 1))
        return runs

    def _map(self, path: Path) -> MappedShard:
        return MappedShard(self._batch(path), self.fingerprint.modality)

    def _batch(self, path: Path) -> pa.RecordBatch:
        try:
            return map_shard(path, self._shards[path])
        except ShardError as error:
            raise CacheIncomplete(
                f"{path}: {error}. If a repair of the cache ended just now, start again; "
                "else run `semanticmac verify`."
            ) from None
