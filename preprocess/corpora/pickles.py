"""Pickles from a stranger, read without running anything in them: plain data, and rows of numbers where asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.pickle_scan import check_opcodes
from semanticmac.preprocess.corpora.tables import MAX_LABEL_FILE_BYTES

Known = dict[
    tuple[str, str], Callable[..., Any]
]  # (module, name) in the pickle → what is called in its place

# The only builtins that a pickle of plain data fetches by name; dict, list, str and numbers have
# opcodes of their own.
PLAIN: Known = {
    (module, name): kind
    for module in ("builtins", "__builtin__")
    for name, kind in (("set", set), ("frozenset", frozenset))
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, known: Known) -> None:
        # Python 2 wrote some of these files; latin-1 reads its byte strings and changes nothing in
        # later ones.
        super().__init__(stream, encoding="latin-1")
        self.known = known

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.known[module, name]


class PickledDtype:
    """Stands in for numpy.dtype while a pickle is read: keeps the code (`i8`) and calls nothing."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array:
    """Stands in for numpy.ndarray: keeps the raw bytes until `plain` makes them a list of numbers."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def tolist(self) -> list[int]:
        _, shape, dtype, _, raw = self.state
        if not isinstance(dtype, PickledDtype) or dtype.code not in ("i4", "i8") or len(shape) != 1:
            raise pickle.UnpicklingError("it holds an array that is not a row of whole numbers")
        content = raw.encode("latin-1") if isinstance(raw, str) else raw
        numbers: list[int] = np.frombuffer(content, dtype=dtype.order + dtype.code).tolist()
        return numbers


ARRAYS: Known = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): PickledDtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): lambda text, _encoding: text.encode("latin-1"),
}


def read_plain_pickle(path: Path, arrays: bool = False) -> object:
    """A pickle of plain Python data; with `arrays`, rows of whole numbers too, which become lists.

    Anything else could run code while it is read. It is refused, and the message names it.
    """
    known = PLAIN | ARRAYS if arrays else PLAIN
    return read_restricted(
        path, known, MAX_LABEL_FILE_BYTES, "dict, list, str, numbers", _plain if arrays else None
    )


def read_restricted(
    path: Path,
    known: Known,
    max_bytes: int | None,
    readable: str,
    finish: Callable[[object], object] | None = None,
) -> object:
    """A pickle that may name nothing but what is `known`; `finish` turns what stands in for arrays into values.

    Raises CorpusError for a file that asks for anything else, naming it, and for one that is no
    whole pickle.
    """
    try:
        if max_bytes is not None and path.stat().st_size > max_bytes:
            raise CorpusError(
                f"{path} is {path.stat().st_size // 2**20} MiB large; that is no label file"
            )
        check_opcodes(path)
        with path.open("rb") as stream:
            data = _PlainUnpickler(stream, known).load()
        return data if finish is None else finish(data)
    except CorpusError:
        raise
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise CorpusError(
            f"{path} is refused: {error}. Only plain data ({readable}) is read from a pickle"
        ) from error
    except (
        Exception
    ) as error:  # a damaged pickle can raise nearly anything: EOFError, KeyError, MemoryError
        raise CorpusError(
            f"{path} is not a whole pickle ({type(error).__name__}: {error})"
        ) from error


def _plain(data: object) -> object:
    if isinstance(data, _Array):
        return data.tolist()
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    return data
