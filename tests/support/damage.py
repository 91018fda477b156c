"""Damages files, for tests of checksums."""

from pathlib import Path


def flip(file: Path, at: int) -> None:
    """Flips one bit of the byte at this offset."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
