"""Files that carry the SHA-256 of their own bytes: any change is noticed, and no second file can disagree with them.

The digest stands in what a format keeps for remarks (a JSON field, the metadata of Parquet or Arrow), so that other
programs read the file as ever. It covers every byte, itself as 64 zeros.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from semanticmac.cache.files import written_aside

_MARK, _DIGITS = "sha256:", 64
UNSEALED = _MARK + "0" * _DIGITS  # a writer puts it behind everything that it did not think of itself, such as names


class SealBroken(Exception):
    """A file is not as it was written: bytes changed, it was cut, or what wrote it knew no seal."""


def write_sealed(path: Path, data: bytes) -> None:
    """Writes data, in which UNSEALED stands, whole or not at all, with its SHA-256 in the last such place."""
    at = data.rindex(UNSEALED.encode()) + len(_MARK)
    with written_aside(path) as aside:
        aside.write_bytes(data[:at] + _digest(data, at) + data[at + _DIGITS :])


def read_sealed(path: Path) -> bytes:
    """What `write_sealed` wrote, with its digest in place. Raises SealBroken unless every byte is as written."""
    data = path.read_bytes()
    at = data.rfind(_MARK.encode()) + len(_MARK)
    if data[at : at + _DIGITS] != _digest(data, at):
        raise SealBroken(f"{path} is not as it was written: its bytes do not match the SHA-256 that it carries")
    return data


def _digest(data: bytes, at: int) -> bytes:
    """SHA-256 as hex of data with zeros for the digits from `at`."""
    view = memoryview(data)
    seal = hashlib.sha256(view[:at])
    seal.update(b"0" * _DIGITS)
    seal.update(view[at + _DIGITS :])
    return seal.hexdigest().encode()
