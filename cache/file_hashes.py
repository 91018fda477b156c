"""FileHashes: remembered SHA-256 of raw files, so that a second build reads no video."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISREG

from semanticmac.cache.atomic_io import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.keys import file_digest

_SAVE_BYTES = 1 << 30


class FileHashes:
    """A small checksummed JSON file. If it is missing or damaged, the videos are hashed again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hashes = _read(path)  # absolute path → [*_state(), digest]
        self._changed = False
        self._hashed_bytes = 0  # size of all files that were hashed by this object
        self._saved_bytes = 0  # the same at the time of the last save

    def digest(self, file: Path) -> str:
        """SHA-256 of a file as hex. Raises OSError where the file cannot be read."""
        stat = file.stat()
        # Reading a pipe could wait for ever.
        if not S_ISREG(stat.st_mode):
            raise OSError(errno.EINVAL, "it is a folder, a device or a pipe", str(file))
        name, state = str(file.resolve()), _state(stat)
        known = self._hashes.get(name)
        if known is not None and known[:-1] == state[: len(known) - 1]:
            return str(known[-1])

        digest = file_digest(file)
        self._hashes[name] = [*state, digest]
        self._changed = True
        self._hashed_bytes += stat.st_size
        # A save writes the whole file. It waits for a quarter more, so the total cost is linear.
        if self._hashed_bytes - self._saved_bytes >= max(_SAVE_BYTES, self._saved_bytes // 4):
            self.save()
        return digest

    def remembered(self, file: Path) -> str | None:
        """The SHA-256 of a file when it was last hashed, even if the file no longer exists."""
        known = self._hashes.get(str(file.resolve()))
        return None if known is None else str(known[-1])

    def all(self) -> dict[str, str]:
        """Absolute path → SHA-256 of every remembered file."""
        return {name: str(known[-1]) for name, known in self._hashes.items()}

    def remove(self, names: Iterable[str]) -> None:
        """Drops files by their absolute path."""
        for name in names:
            self._changed = self._hashes.pop(name, None) is not None or self._changed

    def save(self) -> None:
        """Writes the file if a hash is new."""
        if self._changed:
            content = {"files": self._hashes, "seal": EMPTY_CHECKSUM}
            write_checksummed(self._path, json.dumps(content).encode())
            self._changed, self._saved_bytes = False, self._hashed_bytes


def _state(stat: os.stat_result) -> list[object]:
    """Values that change when a file is written, replaced or swapped with another.

    Size and modification time are not enough, because `cp -p` copies the time too. Only the system
    sets the change time and the inode. Entries of version 0.1.0 hold the first two values.
    """
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read(path: Path) -> dict[str, list[object]]:
    try:
        return dict(json.loads(read_checksummed(path))["files"])
    except (FileNotFoundError, ChecksumMismatch):
        return {}
