"""FrameStore: decoded clips by content key, in LMDB. The only module that imports lmdb."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

import lmdb

from semanticmac.cache.atomic_io import disk_full_error
from semanticmac.cache.frame_codec import check_record, summarize, unpack
from semanticmac.cache.records import ClipSummary, RawClip

_FIRST_MAP_BYTES = 1 << 30
_REWRITE_BYTES = 32 << 20  # of one transaction
_SMALLEST_FILE_BYTES = 8192  # every LMDB file begins with two pages
_UNREADABLE = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
)


class StoreDamaged(Exception):
    """LMDB cannot read the file that holds the frames."""


class StoreUnavailable(Exception):
    """The machine cannot map the file that holds the frames into memory."""


class FrameStore:
    """A folder of packed clips (frame_codec.py). Open it once in a process; it grows by itself."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        """Raises FileNotFoundError if a store to read does not exist, StoreDamaged, and
        StoreUnavailable where the process may not map so much memory.
        """
        if writable:
            folder.mkdir(parents=True, exist_ok=True)
        elif not (folder / "data.mdb").exists():
            raise FileNotFoundError(
                f"{folder} holds no frames: `semanticmac cache DATASET` writes them"
            )
        self.folder = folder
        size = max(_FIRST_MAP_BYTES, 2 * self.bytes_on_disk)
        try:
            self._env = _open(folder, size, writable)
        except lmdb.Error as error:
            full = disk_full_error(error, folder)
            if full is not None:
                raise full from None
            if isinstance(error, lmdb.MemoryError) or os.strerror(errno.ENOMEM) in str(error):
                raise StoreUnavailable(
                    f"{folder / 'data.mdb'} cannot be mapped: LMDB needs {size:,} bytes of address "
                    "space, and this process may not have so many. See `ulimit -v` and the memory "
                    "limit of the job; address space is no memory in use"
                ) from None
            unreadable = isinstance(error, _UNREADABLE) or "data format" in str(error)
            if unreadable or self._file_bytes < _SMALLEST_FILE_BYTES:
                raise _damaged(folder, str(error)) from None
            raise
        self._require_all_pages()

    def __enter__(self) -> FrameStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._env.close()

    def __len__(self) -> int:
        return int(self._env.stat()["entries"])

    def __contains__(self, key: str) -> bool:
        with self._reading() as transaction:
            return bool(transaction.cursor().set_key(key.encode()))

    @property
    def bytes_on_disk(self) -> int:
        """Disk space of the file, without the holes of a sparse file."""
        data = self.folder / "data.mdb"
        return data.stat().st_blocks * 512 if data.exists() else 0

    @property
    def _file_bytes(self) -> int:
        data = self.folder / "data.mdb"
        return data.stat().st_size if data.exists() else 0

    def keys(self) -> Iterator[str]:
        """Every content key, sorted. One read transaction stays open. Raises StoreDamaged."""
        with self._reading() as transaction:
            for key in transaction.cursor().iternext(values=False):
                yield bytes(key).decode()

    def get(self, key: str) -> RawClip:
        """One clip. Raises KeyError if there is none, RecordError if its bytes changed."""
        with self._reading() as transaction:
            return unpack(self._record(transaction, key))

    def record(self, key: str) -> bytes:
        """The packed clip of a key, unchecked. Raises KeyError if there is none."""
        with self._reading() as transaction:
            return bytes(self._record(transaction, key))

    def summary(self, key: str) -> ClipSummary:
        """The summary of a clip, without reading its frames. Raises KeyError, RecordError."""
        with self._reading() as transaction:
            return summarize(self._record(transaction, key))

    def check(self, key: str) -> None:
        """Raises KeyError if there is no such record, RecordError if a byte of it changed."""
        with self._reading() as transaction:
            check_record(self._record(transaction, key))

    @staticmethod
    def remove(folder: Path) -> None:
        """Deletes the files of a store that LMDB cannot read."""
        for name in ("data.mdb", "lock.mdb"):
            (folder / name).unlink(missing_ok=True)

    @classmethod
    def rewrite_without(cls, folder: Path, keys: AbstractSet[str]) -> int:
        """Writes a store again without some records; returns how many of them it held.

        A record that is only deleted stays in the free pages of the file. The new file replaces
        the old one in one step. It needs as much space on the disk meanwhile.
        """
        rewritten = folder / "rewritten"
        shutil.rmtree(rewritten, ignore_errors=True)
        if not (folder / "data.mdb").exists():
            return 0
        with cls(folder) as source:
            kept = [key for key in source.keys() if key not in keys]  # noqa: SIM118  it is no dict
            removed = len(source) - len(kept)
            if not removed:
                return 0
            with cls(rewritten, writable=True) as target:
                batch: list[tuple[str, bytes]] = []
                size = 0
                for key in kept:
                    batch.append((key, source.record(key)))
                    size += len(batch[-1][1])
                    if size > _REWRITE_BYTES:
                        target.put_many(batch)
                        batch, size = [], 0
                target.put_many(batch)
        # The lock file belongs to the old file: readers of that one keep both.
        (folder / "lock.mdb").unlink(missing_ok=True)
        (rewritten / "data.mdb").replace(folder / "data.mdb")
        shutil.rmtree(rewritten)
        return removed

    def put_many(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Writes packed clips in one transaction: after a crash all of them exist, or none."""
        batch = list(records)
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, record in batch:
                        transaction.put(key.encode(), record)
                return
            except lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])
            except lmdb.Error as error:
                full = disk_full_error(error, self.folder)
                if full is not None:
                    raise full from None
                # LMDB reports a partial write, caused by a full disk, as an input/output error.
                needed = 2 * sum(len(record) for _, record in batch)
                if shutil.disk_usage(self.folder).free > needed:
                    raise
                message = os.strerror(errno.ENOSPC)
                raise OSError(errno.ENOSPC, message, str(self.folder)) from None

    def delete(self, key: str) -> None:
        """Deletes one record; nothing happens if there is none."""
        with self._env.begin(write=True) as transaction:
            transaction.delete(key.encode())

    def _require_all_pages(self) -> None:
        """Raises StoreDamaged for a cut file: reading beyond its end would kill the process."""
        pages, page_bytes = self._env.info()["last_pgno"] + 1, self._env.stat()["psize"]
        expected = pages * page_bytes
        if self._file_bytes < expected:
            self._env.close()
            raise _damaged(
                self.folder, f"it has {self._file_bytes} bytes, expected {expected}: it was cut"
            )

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction]:
        try:
            with self._begin() as transaction:
                yield transaction
        except _UNREADABLE as error:
            raise _damaged(self.folder, str(error)) from None

    def _begin(self) -> lmdb.Transaction:
        try:
            return self._env.begin(buffers=True)
        except lmdb.MapResizedError:
            # Another process let the file grow after it was mapped here.
            self._env.set_mapsize(0)
            return self._env.begin(buffers=True)

    @staticmethod
    def _record(transaction: lmdb.Transaction, key: str) -> memoryview:
        record = transaction.get(key.encode())
        if record is None:
            raise KeyError(f"no frames are stored under {key}")
        return memoryview(record)


def _open(folder: Path, size: int, writable: bool) -> lmdb.Environment:
    open_store = partial(
        lmdb.open,
        str(folder),
        map_size=size,
        readonly=not writable,
        readahead=False,
        max_readers=512,
    )
    try:
        return open_store()
    except lmdb.ReadonlyError:
        if writable:
            raise
        # A reader registers in lock.mdb. Where it may not write there, it reads unregistered; the
        # CRC shows a record that a builder overwrites meanwhile.
        return open_store(lock=False)


def _damaged(folder: Path, reason: str) -> StoreDamaged:
    return StoreDamaged(
        f"LMDB cannot read {folder / 'data.mdb'} ({reason}). "
        "`semanticmac cache DATASET --repair` decodes the videos again and keeps the embeddings. "
        "Or restore a copy of the file."
    )
