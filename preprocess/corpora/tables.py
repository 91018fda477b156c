"""Text files and CSV tables in the usual encodings; every error names the file and the line."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.text_encoding import UTF8, decode

# Official label files are far smaller. A video that is named .csv must not fill the memory.
MAX_LABEL_FILE_BYTES = 512 * 2**20
MAX_CELL_CHARS = 2**20  # the csv module's own limit (128 Ki) is smaller than a long transcript


def read_text(path: Path) -> str:
    """The whole file as text in the encoding that `text_encoding.decode` finds.

    Line ends become `\\n`. Raises CorpusError when the file cannot be read, is larger than
    MAX_LABEL_FILE_BYTES, or is not text.
    """
    return read_encoded_text(path)[0]


def read_encoded_text(path: Path) -> tuple[str, str]:
    """The text as in `read_text`, and the name of its encoding."""
    check_size(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        text, encoding = decode(raw)
    except ValueError as error:
        raise CorpusError(f"{path} {error}; save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding


def check_size(path: Path) -> None:
    """Raises CorpusError for a file that is too large for a label file, or is absent."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if size > MAX_LABEL_FILE_BYTES:
        raise CorpusError(
            f"{path} has {size // 2**20} MiB, but a label file has at most "
            f"{MAX_LABEL_FILE_BYTES // 2**20} MiB"
        )


def unreadable(path: Path, error: OSError) -> CorpusError:
    """The exception to raise for a file that the system does not let us read."""
    return CorpusError(f"cannot read {path}: {error.strerror or error}")


# Minus signs of word processors and of full-width text; Python reads `-` alone.
MINUS_SIGNS = "\N{MINUS SIGN}\N{SMALL HYPHEN-MINUS}\N{FULLWIDTH HYPHEN-MINUS}"
_TO_ASCII_MINUS = str.maketrans(dict.fromkeys(MINUS_SIGNS, "-"))


def with_ascii_minus(value: str) -> str:
    """A cell with `-` in place of the other minus signs."""
    return value.translate(_TO_ASCII_MINUS)


def is_number(value: str) -> bool:
    """Whether a cell is a number, with any minus sign.

    NaN and infinity count; callers reject them as labels.
    """
    try:
        float(with_ascii_minus(value))
    except ValueError:
        return False
    # Python parses 1_60 as 160, but in a table it is a name.
    return "_" not in value


@dataclass(frozen=True)
class Row:
    """One record of a table. Its methods raise CorpusError with file and line."""

    path: Path
    line: int  # where the record starts, from 1
    values: Mapping[str, str]

    def text(self, column: str) -> str:
        """The cell without surrounding blanks; empty if the table has no such column."""
        return self.values.get(column, "").strip()

    def name(self, column: str) -> str:
        """A cell that must not be empty, without surrounding blanks: an id or a file name."""
        value = self.text(column)
        if not value:
            raise self.error(f"the column {column!r} is empty")
        return value

    def number(self, column: str) -> float | None:
        """A finite number, or None for an empty cell. NaN is an error: a label was lost before."""
        value = self.text(column)
        return self.parse_number(value, column) if value else None

    def parse_number(self, value: str, what: str) -> float:
        """`value` as a finite float; `what` names it in the error message."""
        if not is_number(value):
            raise self.error(f"{what} is {value!r}, expected a number")
        number = float(with_ascii_minus(value))
        if not math.isfinite(number):
            raise self.error(f"{what} is {value!r}, expected a finite number")
        return number

    def error(self, problem: str) -> CorpusError:
        """The exception to raise for this row."""
        return CorpusError(f"{self.path}, line {self.line}: {problem}")


@dataclass(frozen=True)
class Table:
    """A CSV file with a header line."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str = UTF8

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the file was read."""
        if self.encoding == UTF8:
            return ()
        return (f"{self.path.name} is not UTF-8; it was read as {self.encoding}",)


def read_table(path: Path, required: Iterable[str] = ()) -> Table:
    """Reads a CSV file.

    Raises CorpusError when there is no header, a required column is missing or repeated, or a row
    has another number of cells than the header.
    """
    # csv.reader counts physical lines, and a quoted cell may contain several. So a record starts
    # after the last line of the record before it.
    text, encoding = read_encoded_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
                    f"{path}, line {start}: {len(cells)} cells, but the header has {len(columns)}"
                )
            rows.append(Row(path, start, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise CorpusError(f"{path}, line {line}: not a CSV record ({error})") from error
    if not columns:
        raise CorpusError(
            f"{path} is empty, expected a header line with {', '.join(required) or 'column names'}"
        )
    return Table(path, columns, tuple(rows), encoding)


def index_rows(rows: Sequence[Row], ids: Sequence[str], what: str) -> dict[str, Row]:
    """The rows by their ids; raises CorpusError, with both lines, when an id appears twice."""
    by_id: dict[str, Row] = {}
    for row, row_id in zip(rows, ids, strict=True):
        if row_id in by_id:
            raise row.error(
                f"the {what} {row_id!r} appears twice; it is also in line {by_id[row_id].line}"
            )
        by_id[row_id] = row
    return by_id


def _header(path: Path, cells: list[str], required: tuple[str, ...]) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    missing = [name for name in required if name not in columns]
    if missing:
        raise CorpusError(
            f"{path}, line 1: no column {', '.join(missing)}; the header has {preview(columns)}"
        )
    counts = Counter(columns)
    repeated = sorted(name for name, count in counts.items() if name and count > 1)
    if repeated:
        raise CorpusError(f"{path}, line 1: the column {preview(repeated)} appears twice")
    return columns
