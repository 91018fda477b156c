"""The files of one stream of embeddings: Arrow schema, shards, pending clips and the index.

fingerprint.json    modality, encoder and sampling of all embeddings in the folder
pending/KEY.arrow   one checksummed file per clip that is in no shard yet
shard-00000.arrow   about 64 MiB of clips in one record batch
index.json          clips, size and SHA-256 of every shard, and the clips that the encoder refused.
                    It is written last: a shard that it does not name does not exist.

A folder of version 0.1 has two columns in its shards, `vision` and `audio`; it is only read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semanticmac.cache.atomic_io import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    atomic_write,
    read_checksummed,
    write_checksummed,
    write_text,
)
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.previous_format import SHARD_FORMAT

_FORMAT = 2
_COLUMN = "embeddings"


class ShardError(Exception):
    """A shard is missing, unreadable, or not the one that the index names."""


@dataclass(frozen=True)
class Shard:
    """One entry of the index."""

    file: str
    sha256: str
    bytes: int
    keys: tuple[str, ...]  # content keys in the order of the rows


@dataclass(frozen=True)
class Index:
    """The content of index.json."""

    shards: tuple[Shard, ...] = ()
    # Content key → reason of the clips that the encoder could not encode.
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """The content keys of all clips in the shards."""
        keys: set[str] = set()
        for shard in self.shards:
            keys.update(shard.keys)
        return keys


def embedding_schema(width: int) -> pa.Schema:
    """One row per clip: its key, and a list with one vector of `width` numbers per frame."""
    fields = [("key", pa.string()), (_COLUMN, embedding_type(width))]
    return pa.schema(fields, metadata={"format": str(_FORMAT)})


def embedding_type(width: int) -> pa.DataType:
    """The embeddings of one clip: a list with one vector of `width` numbers per frame."""
    return pa.large_list(pa.list_(pa.float16(), width))


def record_batch(
    keys: Sequence[str], clips: Sequence[np.ndarray | None], schema: pa.Schema
) -> pa.RecordBatch:
    """Clips (F, width) float16, or None without the modality, as one Arrow record batch."""
    width = schema.field(_COLUMN).type.value_type.list_size
    columns = [pa.array(keys, pa.string()), to_column(clips, width)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def to_column(clips: Sequence[np.ndarray | None], width: int) -> pa.Array:
    """All clips, each (F, width) float16 or None."""
    empty = np.empty((0, width), np.float16)
    arrays, offsets, absent = [empty], [0], []
    for clip in clips:
        array = empty if clip is None else clip
        arrays.append(array)
        offsets.append(offsets[-1] + len(array))
        absent.append(clip is None)
    numbers = np.concatenate(arrays).reshape(-1)  # (F of all clips · width,)
    values = pa.FixedSizeListArray.from_arrays(pa.array(numbers, pa.float16()), width)
    return pa.LargeListArray.from_arrays(
        pa.array(offsets, pa.int64()), values, mask=pa.array(absent, pa.bool_())
    )


@dataclass(frozen=True)
class _Column:
    """The embeddings of a record batch as NumPy views. Arrow's own access to a row is slower."""

    frames: np.ndarray  # (F of all clips, width) float16, a read-only view of the mapped file
    starts: list[int]  # clip i has the rows starts[i] … starts[i + 1] − 1
    present: list[bool]

    @classmethod
    def from_arrow(cls, column: pa.LargeListArray) -> _Column:
        width = column.type.value_type.list_size
        frames = column.values.flatten().to_numpy(zero_copy_only=True).reshape(-1, width)
        return cls(frames, column.offsets.to_pylist(), column.is_valid().to_pylist())

    def clip(self, row: int) -> np.ndarray | None:
        return self.frames[self.starts[row] : self.starts[row + 1]] if self.present[row] else None


class MappedShard:
    """The clips of a record batch, as read-only NumPy views into its memory."""

    def __init__(self, batch: pa.RecordBatch, modality: str = "") -> None:
        """modality: the column, where it is not that of a shard of this version."""
        name = _COLUMN if _COLUMN in batch.schema.names else modality
        self._column = _Column.from_arrow(batch.column(name))

    def clip(self, row: int) -> np.ndarray | None:
        """The embeddings of the clip in a row, (F, width) float16; None = it lacks the modality."""
        return self._column.clip(row)


def write_shard(path: Path, batch: pa.RecordBatch) -> None:
    """Writes a shard completely or not at all."""
    with (
        atomic_write(path) as partial,
        pa.OSFile(str(partial), "wb") as sink,
        pa.ipc.new_file(sink, batch.schema) as file,
    ):
        file.write_batch(batch)


def map_shard(path: Path, shard: Shard) -> pa.RecordBatch:
    """The memory-mapped clips of a shard. The numbers in it are not checked.

    Raises ShardError where the file is missing, cannot be read, or holds other clips than its entry
    in the index.
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


def write_pending(path: Path, clip: pa.RecordBatch) -> None:
    """Writes one clip as a checksummed file."""
    schema = clip.schema.with_metadata({**clip.schema.metadata, "seal": EMPTY_CHECKSUM})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as file:
        file.write_batch(clip.replace_schema_metadata(schema.metadata))
    write_checksummed(path, sink.getvalue().to_pybytes())


def read_pending(path: Path) -> np.ndarray | None:
    """The clip of `write_pending`. Raises CacheIncomplete where a byte changed."""
    try:
        data = read_checksummed(path)
    except ChecksumMismatch as error:
        raise CacheIncomplete(
            f"{error}. Run the same command again: it encodes that clip again."
        ) from None
    return MappedShard(pa.ipc.open_file(pa.BufferReader(data)).get_batch(0)).clip(0)


def read_index(folder: Path) -> Index:
    """The shards of a folder; an empty index if it has none yet.

    Raises CacheIncomplete where the index is damaged or has another format.
    """
    path = folder / "index.json"
    if not path.exists():
        return Index()
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] not in (SHARD_FORMAT, _FORMAT):
            raise CacheIncomplete(
                f"{path} has format {index['format']}, but this version reads format {_FORMAT}: "
                "build the cache again"
            )
        shards = []
        for entry in index["shards"]:
            keys = tuple(entry["keys"])
            shards.append(Shard(entry["file"], entry["sha256"], entry["bytes"], keys))
        return Index(tuple(shards), index.get("failed", {}))
    except (ValueError, KeyError, TypeError) as error:
        raise CacheIncomplete(
            f"{path} is damaged ({error}). Delete {folder} and run the command that filled it "
            "again: `semanticmac cache` encodes the stored frames and opens no video, "
            "`semanticmac import-features` reads its file once more."
        ) from None


def write_index(folder: Path, index: Index) -> None:
    """Writes index.json, sorted by file name."""
    shards = sorted(index.shards, key=lambda shard: shard.file)
    content: dict[str, Any] = {"format": _FORMAT, "shards": [asdict(shard) for shard in shards]}
    if index.failed:
        content["failed"] = dict(sorted(index.failed.items()))
    write_text(folder / "index.json", json.dumps(content, indent=1))
