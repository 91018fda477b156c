"""FrameStore: decoded clips by content key, in LMDB. The only door to LMDB."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

import lmdb

from semanticmac.cache.atomic_io import disk_full_error
from semanticmac.cache.frame_codec import About, RawClip, about, check, unpack

_FIRST_MAP_BYTES = 1 << 30
_FEWEST_BYTES = 8192  # the two pages that every LMDB file begins with
_UNREADABLE = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
)


class StoreDamaged(Exception):
    """LMDB cannot read the file that holds the frames; the message says what to do."""


class FrameStore:
    """A folder of packed clips (cache/frame_codec.py).

    Open it once a process; the file grows by itself.
    """

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        """Raises FileNotFoundError where a store is to be read that was never written, and StoreDamaged."""
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
            if full := disk_full_error(error, folder):
                raise full from None
            if (
                isinstance(error, _UNREADABLE)
                or "data format" in str(error)
                or self._found_bytes < _FEWEST_BYTES
            ):
                raise _damaged(folder, str(error)) from None
            raise
        self._require_whole()

    def __enter__(self) -> FrameStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._env.close()

    def __len__(self) -> int:
        return int(self._env.stat()["entries"])

    def __contains__(self, key: str) -> bool:
        with self._reading() as transaction:
            return bool(transaction.cursor().set_key(key.encode()))

    @property
    def bytes_on_disk(self) -> int:
        data = self.folder / "data.mdb"
        return data.stat().st_blocks * 512 if data.exists() else 0

    @property
    def _found_bytes(self) -> int:
        data = self.folder / "data.mdb"
        return data.stat().st_size if data.exists() else 0

    def keys(self) -> Iterator[str]:
        """Every content key, in order.

        One read transaction stays open while this runs. Raises StoreDamaged.
        """
        with self._reading() as transaction:
            for key in transaction.cursor().iternext(values=False):
                yield bytes(key).decode()

    def get(self, key: str) -> RawClip:
        """The clip of a key.

        Raises KeyError where there is none, RecordError where its bytes changed.
        """
        with self._reading() as transaction:
            return unpack(self._record(transaction, key))

    def record(self, key: str) -> bytes:
        """The packed clip of a key, unchecked. Raises KeyError where there is none."""
        with self._reading() as transaction:
            return bytes(self._record(transaction, key))

    def about(self, key: str) -> About:
        """What a record says of itself, without reading its pictures.

        Raises KeyError where there is none.
        """
        with self._reading() as transaction:
            return about(self._record(transaction, key))

    def check(self, key: str) -> None:
        """Raises KeyError or RecordError unless the record is there, byte for byte as it was written."""
        with self._reading() as transaction:
            check(self._record(transaction, key))

    @staticmethod
    def drop(folder: Path) -> None:
        """Takes a store that LMDB cannot read out of the way."""
        for file in (folder / "data.mdb", folder / "lock.mdb"):
            file.unlink(missing_ok=True)

    def put_many(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Writes packed clips in one transaction: after a crash, all of them are there or none."""
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
                # LMDB calls a write that the disk took only half of an input/output error.
                needed = 2 * sum(len(record) for _, record in batch)
                if full is None and shutil.disk_usage(self.folder).free > needed:
                    raise
                raise full or OSError(
                    errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder)
                ) from None

    def delete(self, key: str) -> None:
        with self._env.begin(write=True) as transaction:
            transaction.delete(key.encode())

    def _require_whole(self) -> None:
        """A file that was cut is mapped all the same, and reading beyond its end would kill this process (SIGBUS)."""
        pages, page_bytes = self._env.info()["last_pgno"] + 1, self._env.stat()["psize"]
        if self._found_bytes < pages * page_bytes:
            self._env.close()
            expected = pages * page_bytes
            raise _damaged(
                self.folder, f"it has {self._found_bytes} bytes, expected {expected}: it was cut"
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
        except lmdb.MapResizedError:  # a builder let the file grow since it was mapped here
            self._env.set_mapsize(0)
            return self._env.begin(buffers=True)

    @staticmethod
    def _record(transaction: lmdb.Transaction, key: str) -> memoryview:
        record = transaction.get(key.encode())
        if record is None:
            raise KeyError(f"no frames are stored under {key}")
        return memoryview(record)


def _open(folder: Path, size: int, writable: bool) -> lmdb.Environment:
    opened = partial(
        lmdb.open,
        str(folder),
        map_size=size,
        readonly=not writable,
        readahead=False,
        max_readers=512,
    )
    try:
        return opened()
    except lmdb.ReadonlyError:
        if writable:
            raise
        # A reader notes in lock.mdb what it reads. One who may not write there reads without being
        # noted: what a builder overwrites meanwhile is found by its CRC.
        return opened(lock=False)


def _damaged(folder: Path, reason: str) -> StoreDamaged:
    return StoreDamaged(
        f"{folder / 'data.mdb'} cannot be read by LMDB ({reason}). `semanticmac cache DATASET --repair` decodes the "
        "videos again; embeddings that are made already are kept. Or put back a copy of the file."
    )
