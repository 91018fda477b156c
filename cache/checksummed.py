"""Files that carry the SHA-256 of their own bytes: any change is noticed, and no second file can disagree with them.

The digest stands in what a format keeps for remarks (a JSON field, the metadata of Parquet or
Arrow), so that other programs read the file as ever. It covers every byte, itself as 64 zeros.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from semanticmac.cache.atomic_io import atomic_write

_MARK, _DIGITS = "sha256:", 64
# a writer puts it behind everything that it did not think of itself, such as names
EMPTY_CHECKSUM = _MARK + "0" * _DIGITS


class ChecksumMismatch(Exception):
    """A file is not as it was written: bytes changed, it was cut, or what wrote it knew no seal."""


def write_checksummed(path: Path, data: bytes) -> None:
    """Writes data, in which EMPTY_CHECKSUM stands, whole or not at all, with its SHA-256 in the last such place."""
    at = data.rindex(EMPTY_CHECKSUM.encode()) + len(_MARK)
    with atomic_write(path) as aside:
        aside.write_bytes(data[:at] + _digest(data, at) + data[at + _DIGITS :])


def read_checksummed(path: Path) -> bytes:
    """What `write_checksummed` wrote, with its digest in place.

    Raises ChecksumMismatch unless every byte is as written.
    """
    data = path.read_bytes()
    at = data.rfind(_MARK.encode()) + len(_MARK)
    if data[at : at + _DIGITS] != _digest(data, at):
        raise ChecksumMismatch(
            f"{path} is not as it was written: its bytes do not match the SHA-256 that it carries"
        )
    return data


def _digest(data: bytes, at: int) -> bytes:
    """SHA-256 as hex of data with zeros for the digits from `at`."""
    view = memoryview(data)
    seal = hashlib.sha256(view[:at])
    seal.update(b"0" * _DIGITS)
    seal.update(view[at + _DIGITS :])
    return seal.hexdigest().encode()
