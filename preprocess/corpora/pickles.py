"""Pickles from other people, read as plain data: no code in them is run.

They are read in a worker process with limited memory and time (preprocess/isolated_read.py).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.pickle_scan import check_opcodes
from semanticmac.preprocess.corpora.tables import check_size, unreadable
from semanticmac.preprocess.isolated_read import read_isolated

# (module, name) in the pickle → what is called instead.
Known = dict[tuple[str, str], Callable[..., Any]]

# A pickle of plain data fetches only sets by name: dict, list, str and numbers have opcodes.
PLAIN: Known = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
}


class _PlainUnpickler(pickle.Unpickler):
    """Calls nothing but what is `known`."""

    def __init__(self, stream: BinaryIO, known: Known) -> None:
        # Some files were written by Python 2: latin-1 reads their byte strings. It does not change
        # the strings of later files.
        super().__init__(stream, encoding="latin-1")
        self.known = known

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.known[module, name]


class PickledDtype:
    """Replaces numpy.dtype during unpickling: keeps the type code (`i8`) and the byte order."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array:
    """Replaces numpy.ndarray during unpickling: keeps the raw bytes until `tolist`."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def tolist(self) -> list[int]:
        _, shape, dtype, _, raw = self.state
        if not isinstance(dtype, PickledDtype) or dtype.code not in ("i4", "i8") or len(shape) != 1:
            raise pickle.UnpicklingError("it contains an array that is not a row of whole numbers")
        content = raw.encode("latin-1") if isinstance(raw, str) else raw
        numbers: list[int] = np.frombuffer(content, dtype=dtype.order + dtype.code).tolist()
        return numbers


def _encode_latin1(text: str, _encoding: str) -> bytes:
    return text.encode("latin-1")


ARRAYS: Known = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): PickledDtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _encode_latin1,
}


def read_plain_pickle(path: Path, arrays: bool = False) -> object:
    """A label file that is a pickle of plain Python data.

    With `arrays`, rows of whole numbers are read too and become lists. Raises CorpusError, with the
    name of what the file asks for, when it contains anything else: that could run code.
    """
    check_size(path)
    return read_isolated(path, _read_plain, (path, arrays))


def _read_plain(job: tuple[Path, bool]) -> object:
    """What the worker process runs."""
    path, arrays = job
    readable = "dict, list, str, numbers"
    if arrays:
        return read_restricted(path, PLAIN | ARRAYS, readable, _arrays_to_lists)
    return read_restricted(path, PLAIN, readable)


def read_restricted(
    path: Path, known: Known, readable: str, convert: Callable[[object], object] | None = None
) -> object:
    """A pickle that may ask for nothing but what is `known`; `convert` is applied to the result.

    `readable` says in the error message which data a file may contain. Raises CorpusError for a
    file that asks for anything else or is not a complete pickle. Call it in a worker process only.
    """
    try:
        check_opcodes(path)
        with path.open("rb") as stream:
            data = _PlainUnpickler(stream, known).load()
        return data if convert is None else convert(data)
    except (CorpusError, MemoryError):
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except pickle.UnpicklingError as error:
        raise CorpusError(
            f"{path} is refused: {error}. Only plain data ({readable}) is read from a pickle"
        ) from error
    except Exception as error:
        # A damaged pickle can raise nearly anything: EOFError, KeyError, RecursionError.
        raise CorpusError(
            f"{path} is not a complete pickle ({type(error).__name__}: {error})"
        ) from error


def _arrays_to_lists(data: object) -> object:
    if isinstance(data, _Array):
        return data.tolist()
    if isinstance(data, list | tuple):
        return [_arrays_to_lists(item) for item in data]
    return data
