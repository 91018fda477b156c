"""EmbeddingWriter and EmbeddingReader: frozen embeddings by content key, in memory-mapped Arrow shards.

A folder of embeddings holds
    fingerprint.json    what made them
    pending/KEY.arrow   clips that no shard holds yet, one sealed file each: a killed run loses one clip at most
    shard-00000.arrow   about 64 MiB of clips in one record batch
    index.json          every shard's clips, size and SHA-256; written last, and what it does not name is not there
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from semanticmac.cache.atomic_io import atomic_write, write_text
from semanticmac.cache.checksummed import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.keys import Fingerprint, file_digest
from semanticmac.cache.records import Embeddings

SHARD_BYTES = 64 << 20
_FORMAT = 1


class CacheIncomplete(Exception):
    """What stage 2 asked for is not in the cache; the message says which command builds it."""


class ShardError(Exception):
    """A shard is not the one that the index names."""


@dataclass(frozen=True)
class Shard:
    """One line of the index."""

    file: str
    sha256: str
    bytes: int
    keys: tuple[str, ...]  # content keys in the order of the rows


def read_index(folder: Path) -> list[Shard]:
    """The shards of a folder; none where nothing was finished yet."""
    path = folder / "index.json"
    if not path.exists():
        return []
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] != _FORMAT:
            raise CacheIncomplete(
                f"{path} has format {index['format']}, this version reads format {_FORMAT}: build the cache again"
            )
        return [Shard(**{**shard, "keys": tuple(shard["keys"])}) for shard in index["shards"]]
    except (ValueError, KeyError, TypeError) as error:
        raise CacheIncomplete(
            f"{path} is damaged ({error}). Delete {folder} and run again what filled it: `semanticmac cache` encodes "
            "the stored frames and opens no video, `semanticmac import-features` reads its file once more."
        ) from None


def map_shard(path: Path, shard: Shard) -> pa.RecordBatch:
    """The memory-mapped clips of a shard, whose numbers are not looked at.

    Raises ShardError where it is gone, cannot be read, or holds other clips than its line of the
    index says.
    """
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        keys = batch.column("key").to_pylist()
    except FileNotFoundError:
        raise ShardError("missing, but the index names it") from None
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ShardError(f"it cannot be read ({error})") from None
    if keys != list(shard.keys):
        raise ShardError("it holds other clips than the index says")
    return batch


class EmbeddingWriter:
    """Adds clips to a folder of embeddings.

    `finish` seals what is pending; a killed run continues where it was.
    """

    def __init__(
        self, folder: Path, fingerprint: Fingerprint, *, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.folder = folder
        self._pending = folder / "pending"
        self._shard_bytes = shard_bytes
        self._schema = _schema(fingerprint.width)
        self._pending.mkdir(parents=True, exist_ok=True)
        about, text = folder / "fingerprint.json", fingerprint.to_json()
        if not about.exists() or about.read_bytes() != text.encode():
            write_text(about, text)
        self._shards = read_index(folder)
        self._sealed = {key for shard in self._shards for key in shard.keys}
        self._drop_broken()
        self._queued: dict[
            str, int
        ] = {}  # bytes of the pending clips, in the order in which a shard takes them

    def __contains__(self, key: str) -> bool:
        return key in self._sealed or self._path(key).exists()

    def add(self, key: str, embeddings: Embeddings | None = None) -> None:
        """Queues one clip for the next shard. None: the clip is already pending, from a run that was stopped.

        Called in the order of the corpus for every clip, so that a continued run cuts the same
        shards.
        """
        if key in self._sealed or key in self._queued:  # two clips may show the same content
            return
        path = self._path(key)
        if embeddings is not None:
            _write_pending(path, _batch([key], [embeddings], self._schema))
        self._queued[key] = path.stat().st_size
        if sum(self._queued.values()) >= self._shard_bytes:
            self._seal()

    def finish(self) -> None:
        """Seals what is pending and leaves nothing but whole shards and their index."""
        if self._queued:
            self._seal()
        for orphan in self._pending.glob(
            "*.arrow"
        ):  # sealed by a run that was killed before it could tidy up
            if orphan.stem in self._sealed:
                orphan.unlink()

    def forget(self, shards: Sequence[str]) -> None:
        """Takes damaged shards (file names) out of the index, so that their clips are encoded again."""
        if not shards:  # where there is no index yet, it is written last
            return
        self._shards = [shard for shard in self._shards if shard.file not in shards]
        self._sealed = {key for shard in self._shards for key in shard.keys}
        self._write_index()
        for name in shards:
            (self.folder / name).unlink(missing_ok=True)

    def _drop_broken(self) -> None:
        """Removes pending clips that are not as they were written, so that they are encoded again."""
        for path in self._pending.glob("*.arrow"):
            try:
                read_checksummed(path)
            except ChecksumMismatch:
                path.unlink()

    def _path(self, key: str) -> Path:
        return self._pending / f"{key}.arrow"

    def _seal(self) -> None:
        keys = list(self._queued)
        clips = [_read_pending(self._path(key)) for key in keys]
        taken = {shard.file for shard in self._shards}
        file = next(
            name for i in range(len(taken) + 1) if (name := f"shard-{i:05d}.arrow") not in taken
        )
        _write(self.folder / file, _batch(keys, clips, self._schema))
        path = self.folder / file
        self._shards.append(Shard(file, file_digest(path), path.stat().st_size, tuple(keys)))
        self._write_index()
        self._sealed.update(keys)
        self._queued.clear()
        for key in keys:
            self._path(key).unlink()

    def _write_index(self) -> None:
        index = {
            "format": _FORMAT,
            "shards": [asdict(shard) for shard in sorted(self._shards, key=lambda s: s.file)],
        }
        write_text(self.folder / "index.json", json.dumps(index, indent=1))


class EmbeddingReader:
    """Reads embeddings by content key without copying: arrays point into the memory-mapped shards."""

    def __init__(self, folder: Path, asked: Fingerprint | None = None) -> None:
        """Raises CacheIncomplete where the folder has no index, or was made by another encoder than is asked for."""
        self.folder = folder
        if not (folder / "index.json").exists():
            raise CacheIncomplete(
                f"{folder} has no index.json: building it was interrupted. Run `semanticmac cache` again; it resumes."
            )
        self.fingerprint = Fingerprint.read(folder)
        if asked is not None and asked != self.fingerprint:
            differences = "; ".join(self.fingerprint.differences(asked))
            raise CacheIncomplete(
                f"{folder} was made with another encoder or sampling than was asked for: {differences}"
            )
        self._shards = {shard.file: shard for shard in read_index(folder)}
        self._rows = {
            key: (name, row)
            for name, shard in self._shards.items()
            for row, key in enumerate(shard.keys)
        }
        self._open: dict[str, _Mapped] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getstate__(self) -> dict[str, object]:
        # A loader's worker process maps the shards itself; a mapping cannot be sent to it.
        return {**self.__dict__, "_open": {}}

    def get(self, key: str) -> Embeddings:
        """The embeddings of one clip, read-only views.

        Raises KeyError where the key was never embedded, and CacheIncomplete where its shard is not
        the one of the index: it is damaged, or another process has repaired the cache since this
        reader was made.
        """
        file, row = self._rows[key]
        if file not in self._open:
            self._open[file] = self._map(self._shards[file])
        return self._open[file].clip(row)

    def _map(self, shard: Shard) -> _Mapped:
        path = self.folder / shard.file
        try:
            batch = map_shard(path, shard)
        except ShardError as error:
            raise CacheIncomplete(
                f"{path}: {error}. If a repair of the cache ended just now, start again; else run `semanticmac verify`."
            ) from None
        return _Mapped.of(batch)


@dataclass(frozen=True)
class _Column:
    """One modality of a shard.

    Arrow's own way to a row makes many objects, which take longer than its bytes.
    """

    frames: np.ndarray  # (frames of all clips, width) float16, a read-only view of the mapped file
    starts: list[int]  # clip i has the rows starts[i] … starts[i + 1] − 1
    present: list[bool]

    @classmethod
    def of(cls, column: pa.LargeListArray) -> _Column:
        width = column.type.value_type.list_size
        frames = column.values.flatten().to_numpy(zero_copy_only=True).reshape(-1, width)
        return cls(frames, column.offsets.to_pylist(), column.is_valid().to_pylist())

    def clip(self, row: int) -> np.ndarray | None:
        return self.frames[self.starts[row] : self.starts[row + 1]] if self.present[row] else None


@dataclass(frozen=True)
class _Mapped:
    """The clips of a memory-mapped shard, or a pending one."""

    vision: _Column
    audio: _Column

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> _Mapped:
        return cls(_Column.of(batch.column("vision")), _Column.of(batch.column("audio")))

    def clip(self, row: int) -> Embeddings:
        return Embeddings(self.vision.clip(row), self.audio.clip(row))


def _schema(width: int) -> pa.Schema:
    frames = pa.large_list(
        pa.list_(pa.float16(), width)
    )  # one list a clip, one row of `width` a frame
    return pa.schema(
        [("key", pa.string()), ("vision", frames), ("audio", frames)],
        metadata={"format": str(_FORMAT)},
    )


def _batch(keys: Sequence[str], clips: Sequence[Embeddings], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(keys, pa.string())]
    columns += [_column([clip.vision for clip in clips], schema.field("vision").type)]
    columns += [_column([clip.audio for clip in clips], schema.field("audio").type)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(clips: Sequence[np.ndarray | None], kind: pa.DataType) -> pa.Array:
    width = kind.value_type.list_size
    present = [np.empty((0, width), np.float16) if clip is None else clip for clip in clips]
    # (all frames, width)
    rows = np.concatenate(present) if present else np.empty((0, width), np.float16)
    values = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1), pa.float16()), width)
    offsets = np.concatenate([[0], np.cumsum([len(clip) for clip in present])])
    absent = np.array([clip is None for clip in clips])
    return pa.LargeListArray.from_arrays(
        pa.array(offsets, pa.int64()), values, mask=pa.array(absent)
    )


def _write(path: Path, batch: pa.RecordBatch) -> None:
    with (
        atomic_write(path) as aside,
        pa.OSFile(str(aside), "wb") as sink,
        pa.ipc.new_file(sink, batch.schema) as file,
    ):
        file.write_batch(batch)


def _write_pending(path: Path, clip: pa.RecordBatch) -> None:
    sink = pa.BufferOutputStream()
    schema = clip.schema.with_metadata({**clip.schema.metadata, "seal": EMPTY_CHECKSUM})
    with pa.ipc.new_file(sink, schema) as file:
        file.write_batch(clip.replace_schema_metadata(schema.metadata))
    write_checksummed(path, sink.getvalue().to_pybytes())


def _read_pending(path: Path) -> Embeddings:
    try:
        batch = pa.ipc.open_file(pa.BufferReader(read_checksummed(path))).get_batch(0)
    except ChecksumMismatch as error:
        raise CacheIncomplete(
            f"{error}. Run the same command again: that clip is encoded again."
        ) from None
    return _Mapped.of(batch).clip(0)
