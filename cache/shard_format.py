"""The files of a folder of embeddings: Arrow schema, shards, pending clips and the index.

fingerprint.json    encoder and sampling of all embeddings in the folder
pending/KEY.arrow   one checksummed file per clip that is in no shard yet
shard-00000.arrow   about 64 MiB of clips in one record batch
index.json          clips, size and SHA-256 of every shard. It is written last: a shard that it does
                    not name does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
from semanticmac.cache.records import Embeddings

_FORMAT = 1


class ShardError(Exception):
    """A shard is missing, unreadable, or not the one that the index names."""


@dataclass(frozen=True)
class Shard:
    """One entry of the index."""

    file: str
    sha256: str
    bytes: int
    keys: tuple[str, ...]  # content keys in the order of the rows


def embedding_schema(width: int) -> pa.Schema:
    """One row per clip; each modality is a list with one vector of `width` numbers per frame."""
    frames = pa.large_list(pa.list_(pa.float16(), width))
    fields = [("key", pa.string()), ("vision", frames), ("audio", frames)]
    return pa.schema(fields, metadata={"format": str(_FORMAT)})


def record_batch(
    keys: Sequence[str], clips: Sequence[Embeddings], schema: pa.Schema
) -> pa.RecordBatch:
    """Clips as one Arrow record batch."""
    width = schema.field("vision").type.value_type.list_size
    columns = [
        pa.array(keys, pa.string()),
        _to_column([clip.vision for clip in clips], width),
        _to_column([clip.audio for clip in clips], width),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _to_column(clips: Sequence[np.ndarray | None], width: int) -> pa.Array:
    """One modality of all clips, each (F, width) float16 or None."""
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
    """One modality of a record batch as NumPy views. Arrow's own access to a row is slower."""

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

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._vision = _Column.from_arrow(batch.column("vision"))
        self._audio = _Column.from_arrow(batch.column("audio"))

    def clip(self, row: int) -> Embeddings:
        """The embeddings of the clip in a row."""
        return Embeddings(self._vision.clip(row), self._audio.clip(row))


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


def read_pending(path: Path) -> Embeddings:
    """The clip of `write_pending`. Raises CacheIncomplete where a byte changed."""
    try:
        data = read_checksummed(path)
    except ChecksumMismatch as error:
        raise CacheIncomplete(
            f"{error}. Run the same command again: it encodes that clip again."
        ) from None
    return MappedShard(pa.ipc.open_file(pa.BufferReader(data)).get_batch(0)).clip(0)


def read_index(folder: Path) -> list[Shard]:
    """The shards of a folder; an empty list if it has no index yet.

    Raises CacheIncomplete where the index is damaged or has another format.
    """
    path = folder / "index.json"
    if not path.exists():
        return []
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] != _FORMAT:
            raise CacheIncomplete(
                f"{path} has format {index['format']}, but this version reads format {_FORMAT}: "
                "build the cache again"
            )
        shards = []
        for entry in index["shards"]:
            keys = tuple(entry["keys"])
            shards.append(Shard(entry["file"], entry["sha256"], entry["bytes"], keys))
        return shards
    except (ValueError, KeyError, TypeError) as error:
        raise CacheIncomplete(
            f"{path} is damaged ({error}). Delete {folder} and run the command that filled it "
            "again: `semanticmac cache` encodes the stored frames and opens no video, "
            "`semanticmac import-features` reads its file once more."
        ) from None


def write_index(folder: Path, shards: Sequence[Shard]) -> None:
    """Writes index.json, sorted by file name."""
    entries = [asdict(shard) for shard in sorted(shards, key=lambda shard: shard.file)]
    write_text(folder / "index.json", json.dumps({"format": _FORMAT, "shards": entries}, indent=1))
