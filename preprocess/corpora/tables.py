"""Label files as a stranger wrote them: text in the usual encodings, tables whose every error names file and line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from semanticmac.preprocess.clip import CorpusError

# the largest official one is far below; a video named .csv must not fill the memory
MAX_LABEL_FILE_BYTES = 512 * 2**20
MAX_CELL_CHARS = 2**20  # the csv module's own limit (128 Ki) is smaller than a long transcript


def read_text(path: Path) -> str:
    """The whole file as text: UTF-8 with or without a byte order mark, else Windows-1252; line ends become `\\n`.

    Windows-1252 comes second because almost any bytes are valid in it, while a wrong guess of UTF-8
    fails at once.
    """
    try:
        if path.stat().st_size > MAX_LABEL_FILE_BYTES:
            raise CorpusError(
                f"{path} is {path.stat().st_size // 2**20} MiB large; that is no label file"
            )
        raw = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
    if b"\0" in raw:
        raise CorpusError(
            f"{path} holds NUL bytes: it is not a text file, or it is UTF-16; save it as UTF-8"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Five bytes have no meaning in Windows-1252; one damaged letter must not cost the whole
        # corpus.
        text = raw.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_number(value: str) -> bool:
    """Whether the cell is meant as a number.

    NaN and infinity are: that they are no labels is for the reader to say.
    """
    try:
        float(value)
    except ValueError:
        return False
    return "_" not in value  # Python reads 1_60 as 160; in a table it is a name


@dataclass(frozen=True)
class Row:
    """One record of a table.

    Its getters raise CorpusError with the file and the line where the record starts.
    """

    path: Path
    line: int
    values: Mapping[str, str]

    def text(self, column: str) -> str:
        """The stripped cell; empty for an absent column."""
        return self.values.get(column, "").strip()

    def name(self, column: str) -> str:
        """The stripped cell, which must not be empty: an id, a file name."""
        value = self.text(column)
        if not value:
            raise self.error(f"the column {column!r} is empty")
        return value

    def number(self, column: str) -> float | None:
        """A finite number, or None for an empty cell.

        NaN is an error: it means a label got lost on the way.
        """
        value = self.text(column)
        return self.parse_number(value, column) if value else None

    def parse_number(self, value: str, what: str) -> float:
        """`value` as a finite float; `what` says in the message what it was meant to be."""
        if not is_number(value):
            raise self.error(f"{what} is {value!r}, expected a number")
        number = float(value)
        if not math.isfinite(number):
            raise self.error(f"{what} is {value!r}, expected a finite number")
        return number

    def error(self, problem: str) -> CorpusError:
        """The exception to raise for this row."""
        return CorpusError(f"{self.path}, line {self.line}: {problem}")


@dataclass(frozen=True)
class Table:
    """A delimited file with a header line."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path, required: Iterable[str] = ()) -> Table:
    """A CSV file.

    Raises CorpusError for a missing column, a row of another length, and no header at all.
    """
    # csv.reader counts physical lines; a quoted cell may hold several, so a record starts after the
    # last one's end.
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    csv.field_size_limit(MAX_CELL_CHARS)
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header(path, cells, tuple(required))
                continue
            if len(cells) != len(columns):
                raise CorpusError(
                    f"{path}, line {start}: {len(cells)} cells, but the header names {len(columns)}"
                )
            rows.append(Row(path, start, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise CorpusError(f"{path}, line {line}: not a CSV record ({error})") from error
    if not columns:
        raise CorpusError(
            f"{path} is empty, expected a header line with {', '.join(required) or 'column names'}"
        )
    return Table(path, columns, tuple(rows))


def _header(path: Path, cells: list[str], required: tuple[str, ...]) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    missing = [name for name in required if name not in columns]
    if missing:
        raise CorpusError(
            f"{path}, line 1: no column {', '.join(missing)}; the header has {', '.join(columns)}"
        )
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise CorpusError(f"{path}, line 1: the column {', '.join(repeated)} stands twice")
    return columns
