"""FileHashes: SHA-256 of raw files, remembered by path, size and time, so that a second run reads no video again."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from stat import S_ISREG

from semanticmac.cache.checksummed import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.keys import file_digest

_SAVE_BYTES = 1 << 30


class FileHashes:
    """A small sealed JSON file; where it is lost or damaged, the videos are read once more, and nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[object]] = _read(path)  # absolute path → [*_state(), digest]
        self._changed = False
        # bytes of files that were read so far, and when it was last saved
        self._hashed = self._saved = 0

    def digest(self, file: Path) -> str:
        """SHA-256 of a file. Raises OSError where it cannot be read."""
        stat = file.stat()
        if not S_ISREG(stat.st_mode):  # nobody may ever write to a pipe
            raise OSError(errno.EINVAL, "it is a folder, a device or a pipe", str(file))
        name, state = str(file.resolve()), _state(stat)
        known = self._known.get(name)
        if known is not None and known[:-1] == state[: len(known) - 1]:
            return str(known[-1])
        digest = file_digest(file)
        self._known[name] = [*state, digest]
        self._changed = True
        self._hashed += stat.st_size
        # All of it is written each time: a quarter more has to be new, or many files would cost
        # their square.
        if self._hashed - self._saved >= max(_SAVE_BYTES, self._saved // 4):
            self.save()
        return digest

    def remembered(self, file: Path) -> str | None:
        """The SHA-256 that a file had when it was last read, whether it is there or not."""
        known = self._known.get(str(file.resolve()))
        return None if known is None else str(known[-1])

    def save(self) -> None:
        if self._changed:
            write_checksummed(
                self._path, json.dumps({"files": self._known, "seal": EMPTY_CHECKSUM}).encode()
            )
            self._changed, self._saved = False, self._hashed


def _state(stat: os.stat_result) -> list[object]:
    """What changes when a file is written, replaced or swapped with another.

    Size and modification time alone are not enough: `cp -p` copies the time too. Only the system
    sets the change time and the inode. Entries of version 0.1.0 hold the first two values.
    """
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read(path: Path) -> dict[str, list[object]]:
    try:
        return dict(json.loads(read_checksummed(path))["files"])
    except (FileNotFoundError, ChecksumMismatch):
        return {}
