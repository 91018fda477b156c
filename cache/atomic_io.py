"""Safe files: written completely or not at all, and with a checksum that shows every change."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL_SUFFIX = ".part"
_CHECKSUM_PREFIX, _CHECKSUM_DIGITS = "sha256:", 64
# The place of the checksum in the data for `write_checksummed`. Write it after all text that may
# contain anything, such as names: only the last place is used.
EMPTY_CHECKSUM = _CHECKSUM_PREFIX + "0" * _CHECKSUM_DIGITS


class ChecksumMismatch(Exception):
    """A file changed after it was written, was cut, or never had a checksum."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; afterwards flushes it to disk and renames it.

    When the block raises, the temporary file is removed and the old file at `path` stays. A full
    disk raises an OSError that names `path`, whichever library was writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL_SUFFIX}")
    try:
        partial.touch()
        # safetensors makes a file that only its owner may read: the usual mode is restored below.
        mode = partial.stat().st_mode
        yield partial
        with partial.open("rb+") as file:
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        partial.replace(path)
        _flush_folder(path.parent)
    except Exception as error:
        full = disk_full_error(error, path)
        if full is not None:
            raise full from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def disk_full_error(error: Exception, path: Path) -> OSError | None:
    """An OSError that names `path` if `error` means a full disk or an exceeded quota, else None.

    LMDB and safetensors report the message of the operating system without its number.
    """
    for code in (errno.ENOSPC, errno.EDQUOT):
        if getattr(error, "errno", None) == code or os.strerror(code) in str(error):
            return OSError(code, os.strerror(code), str(path))
    return None


def write_text(path: Path, text: str) -> None:
    """`Path.write_text` in UTF-8, completely or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_checksummed(path: Path, data: bytes) -> None:
    """Writes data with its own SHA-256 in the place of its last EMPTY_CHECKSUM.

    The checksum covers every byte, with 64 zeros for its own digits. It stands where the format
    keeps remarks (a JSON field, the metadata of Parquet or Arrow), so other programs can read the
    file. Raises ValueError if data contains no EMPTY_CHECKSUM.
    """
    start = data.rindex(EMPTY_CHECKSUM.encode()) + len(_CHECKSUM_PREFIX)
    digest = _digest_without(data, start)
    with atomic_write(path) as partial:
        partial.write_bytes(data[:start] + digest + data[start + _CHECKSUM_DIGITS :])


def read_checksummed(path: Path) -> bytes:
    """The bytes of a file of `write_checksummed`, with the checksum in its place.

    Raises ChecksumMismatch unless every byte is as it was written.
    """
    data = path.read_bytes()
    start = data.rfind(_CHECKSUM_PREFIX.encode()) + len(_CHECKSUM_PREFIX)
    if data[start : start + _CHECKSUM_DIGITS] != _digest_without(data, start):
        raise ChecksumMismatch(
            f"{path} is not as it was written: its bytes do not match the SHA-256 in it"
        )
    return data


def remove_partial_files(root: Path) -> None:
    """Removes the temporary files (`.NAME.PID.part`) of killed processes.

    Call it only where no other process writes below root.
    """
    pattern = re.compile(rf"\..+\.\d+{re.escape(_PARTIAL_SUFFIX)}", re.DOTALL)
    for path in root.rglob(f".*{_PARTIAL_SUFFIX}"):
        if pattern.fullmatch(path.name) and path.is_file():
            path.unlink()


def as_text(name: str) -> str:
    """A name that any file and terminal accepts: bytes that are not UTF-8 become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _digest_without(data: bytes, start: int) -> bytes:
    """SHA-256 of data as hex, with zeros for the digits of the checksum at `start`."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(b"0" * _CHECKSUM_DIGITS)
    digest.update(view[start + _CHECKSUM_DIGITS :])
    return digest.hexdigest().encode()


def _flush_folder(folder: Path) -> None:
    """Flushes the folder, because a rename is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
