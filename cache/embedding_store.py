"""EmbeddingWriter and EmbeddingReader: embeddings by content key, in memory-mapped shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from semanticmac.cache.atomic_io import ChecksumMismatch, read_checksummed, write_text
from semanticmac.cache.keys import Fingerprint, file_digest
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.records import Embeddings
from semanticmac.cache.shard_format import (
    MappedShard,
    Shard,
    ShardError,
    embedding_schema,
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
    """Adds clips to a folder of embeddings (shard_format.py).

    Each clip is first a file of its own, so a killed process loses one clip at most. `finish` puts
    the remaining clips into a shard.
    """

    def __init__(
        self, folder: Path, fingerprint: Fingerprint, *, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.folder = folder
        self._pending = folder / "pending"
        self._shard_bytes = shard_bytes
        self._schema = embedding_schema(fingerprint.width)
        self._pending.mkdir(parents=True, exist_ok=True)
        path, text = folder / "fingerprint.json", fingerprint.to_json()
        if not path.exists() or path.read_bytes() != text.encode():
            write_text(path, text)
        self._set_shards(read_index(folder))
        self._remove_damaged_pending()
        # Sizes of the pending clips in bytes, in the order in which they enter the next shard.
        self._queue: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._in_shards or self._pending_path(key).exists()

    def add(self, key: str, embeddings: Embeddings | None = None) -> None:
        """Queues one clip for the next shard.

        embeddings: None if a stopped run has left the clip as a pending file. Call it for every
        clip in the order of the corpus, so that a continued run writes the same shards.
        """
        # Two clips may have the same content.
        if key in self._in_shards or key in self._queue:
            return
        path = self._pending_path(key)
        if embeddings is not None:
            write_pending(path, record_batch([key], [embeddings], self._schema))
        self._queue[key] = path.stat().st_size
        if sum(self._queue.values()) >= self._shard_bytes:
            self._flush_shard()

    def finish(self) -> None:
        """Writes the queued clips into a shard; afterwards all clips are in shards."""
        if self._queue:
            self._flush_shard()
        # A killed run may have left pending files of clips that are in a shard.
        for path in self._pending.glob("*.arrow"):
            if path.stem in self._in_shards:
                path.unlink()

    def remove_shards(self, files: Sequence[str]) -> None:
        """Removes damaged shards, so that their clips are encoded again."""
        # Without shards to remove, no index is written: a new folder gets its index last.
        if not files:
            return
        self._set_shards([shard for shard in self._shards if shard.file not in files])
        write_index(self.folder, self._shards)
        for file in files:
            (self.folder / file).unlink(missing_ok=True)

    def _set_shards(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._in_shards: set[str] = set()
        for shard in shards:
            self._in_shards.update(shard.keys)

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
        self._set_shards([*self._shards, shard])
        write_index(self.folder, self._shards)
        self._queue.clear()
        for key in keys:
            self._pending_path(key).unlink()

    def _new_shard_path(self) -> Path:
        """The path with the lowest number that no shard of the index has."""
        taken = {shard.file for shard in self._shards}
        number = 0
        while f"shard-{number:05d}.arrow" in taken:
            number += 1
        return self.folder / f"shard-{number:05d}.arrow"


class EmbeddingReader:
    """Reads embeddings by content key without copying: arrays are views of memory-mapped shards."""

    def __init__(self, folder: Path, expected: Fingerprint | None = None) -> None:
        """Raises CacheIncomplete where the folder has no index, or a fingerprint not expected."""
        self.folder = folder
        if not (folder / "index.json").exists():
            raise CacheIncomplete(
                f"{folder} has no index.json: building it was interrupted. "
                "Run `semanticmac cache` again; it resumes."
            )
        self.fingerprint = Fingerprint.read(folder)
        if expected is not None and expected != self.fingerprint:
            differences = "; ".join(self.fingerprint.differences(expected))
            raise CacheIncomplete(
                f"{folder} was made with another encoder or sampling than expected: {differences}"
            )
        self._shards: dict[str, Shard] = {}
        self._positions: dict[str, tuple[str, int]] = {}  # key → (file of the shard, row in it)
        for shard in read_index(folder):
            self._shards[shard.file] = shard
            for row, key in enumerate(shard.keys):
                self._positions[key] = (shard.file, row)
        self._mapped: dict[str, MappedShard] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __getstate__(self) -> dict[str, object]:
        # A memory map cannot be sent to the worker processes of a DataLoader: each opens its own.
        return {**self.__dict__, "_mapped": {}}

    def get(self, key: str) -> Embeddings:
        """The embeddings of one clip as read-only views.

        Raises KeyError where the key has no embeddings, and CacheIncomplete where its shard does
        not match the index: it is damaged, or another process repaired the cache meanwhile.
        """
        file, row = self._positions[key]
        if file not in self._mapped:
            self._mapped[file] = self._map(self._shards[file])
        return self._mapped[file].clip(row)

    def _map(self, shard: Shard) -> MappedShard:
        path = self.folder / shard.file
        try:
            return MappedShard(map_shard(path, shard))
        except ShardError as error:
            raise CacheIncomplete(
                f"{path}: {error}. If a repair of the cache ended just now, start again; "
                "else run `semanticmac verify`."
            ) from None
