"""Looks at the opcodes of a pickle before it is loaded, so that a few bytes cannot take gigabytes.

The C unpickler trusts numbers that stand in the file. A memo index makes it allocate a table of
that length, and a byte array is allocated before its content is read. In a real pickle no such
number is larger than the file itself.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
from pathlib import Path
from typing import Any

# Opcodes whose argument is an index into the memo table.
MEMO_OPCODES = {"PUT", "BINPUT", "LONG_BINPUT"}


def check_opcodes(path: Path) -> None:
    """Raises UnpicklingError for a pickle whose indices or lengths do not fit into its file.

    Nothing is loaded. The file may hold several pickles; only the first is read, as by `load`.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            # A file would reserve the length that the pickle names; a mapped one never does.
            content: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            for opcode, argument, position in pickletools.genops(content):
                if opcode.name not in MEMO_OPCODES or not isinstance(argument, int):
                    continue
                if not 0 <= argument <= size:
                    raise pickle.UnpicklingError(
                        f"at byte {position} it asks for memo entry {argument}, "
                        f"more than its {size} bytes can fill"
                    )
        except ValueError as error:
            # pickletools names what is cut or unknown, and compares every length with the file.
            raise pickle.UnpicklingError(f"it is cut or damaged: {error}") from None
