"""The sizes of the arrays of an .npz, checked by their headers before memory is taken.

NumPy reserves the bytes that a header announces, and an archive of a few megabytes can unpack to
gigabytes.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from semanticmac.preprocess.clip import CorpusError

# Deflate shrinks data to no less than about 1/1032 of its size.
MOST_SHRUNK = 1_100
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
_MEMORY = Path("/proc/meminfo")


def require_sizes(path: Path, keys: Collection[str] | None = None) -> None:
    """Checks the arrays with these names, or all arrays, of an .npz.

    Raises CorpusError for an array whose header announces more bytes than the archive holds, and
    where the arrays together need more memory than this machine has. Raises what `zipfile` and
    NumPy raise for an archive that is damaged or whose members are no arrays.
    """
    total = 0
    with zipfile.ZipFile(path) as archive:
        most = MOST_SHRUNK * path.stat().st_size
        for entry in archive.infolist():
            key = entry.filename.removesuffix(".npy")
            if keys is not None and key not in keys:
                continue
            with archive.open(entry) as file:
                shape, dtype = _header(file)
            announced = math.prod(shape) * dtype.itemsize
            held = min(entry.file_size, most)
            if announced > held:
                raise CorpusError(
                    f"{path}: the header of `{key}` announces {announced:,} bytes (shape {shape}), "
                    f"and the file holds {held:,}: it is damaged"
                )
            total += announced

    available = available_memory()
    if total > available:
        raise CorpusError(
            f"{path}: its arrays need {total:,} bytes of memory, and {available:,} are available. "
            "If so many are expected, read it on a machine with more memory; otherwise get the "
            "file again"
        )


def available_memory() -> int:
    """Bytes of memory that a new array can have: what is not in use, within a container's limit."""
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _MEMORY.exists():
        for line in _MEMORY.read_text().splitlines():
            name, _, size = line.partition(":")
            if name == "MemAvailable":
                available = 1024 * int(size.split()[0])
    if _MEMORY_LIMIT.exists():
        limit = _MEMORY_LIMIT.read_text().strip()
        if limit.isdigit():
            available = min(available, int(limit))
    return available


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of a .npy file."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype
