"""A file of results that grows row by row and goes on after a stop: .csv, .jsonl or .xlsx."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from semanticmac.cache.atomic_io import as_text, atomic_write, write_text
from semanticmac.eval.report.csv_text import csv_text

Cell = str | float | int | None
Row = Mapping[str, Cell]

# Names the result of one clip by one run: a row with a known key is not computed again.
KEY = "key"
STATUS, DONE = "status", "done"
SUFFIXES = (".csv", ".jsonl", ".xlsx")


class ResultsFileError(Exception):
    """The file cannot take these results; the message says why and what to do."""


def require_results_name(path: Path) -> None:
    """Raises ResultsFileError for a name without a known suffix, and for .xlsx without openpyxl."""
    if path.suffix not in SUFFIXES:
        raise ResultsFileError(f"{path}: expected a name that ends with {', '.join(SUFFIXES)}")
    if path.suffix == ".xlsx" and find_spec("openpyxl") is None:
        raise ResultsFileError(
            f"{path}: a workbook needs openpyxl, which is not installed: run "
            "`pip install 'semanticmac[excel]'`, or give a name that ends with .csv"
        )


class ResultsFile:
    """The rows of one file. Each is on the disk when `add` returns.

    A workbook (.xlsx) cannot grow row by row: its rows are kept in a hidden file beside it until
    `close` writes it.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """columns: names of all cells; KEY and STATUS are among them.

        An existing file is continued: a row that a power cut left without its end is removed, and
        so are rows whose status is not DONE, because they are tried again. Raises ResultsFileError
        for another suffix, for a file with other columns, and for a workbook without openpyxl.
        """
        require_results_name(path)
        self.path = path
        self.columns = tuple(columns)
        self._growing = path
        if path.suffix == ".xlsx":
            self._growing = path.with_name(f".{path.name}.unfinished.jsonl")
        rows = self._existing_rows()
        kept = [row for row in rows if row[STATUS] == DONE]
        self.done = {str(row[KEY]) for row in kept}
        if len(kept) < len(rows) or not self._growing.exists() or not self._ends_whole():
            write_text(self._growing, self._head() + self._text(kept))

    def add(self, row: Row) -> None:
        """Appends one row; it is on the disk when the call returns."""
        text = self._text([row])
        with self._growing.open("a", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if row[STATUS] == DONE:
            self.done.add(str(row[KEY]))

    def close(self) -> None:
        """Writes the workbook; the other formats are complete after each `add`."""
        if self.path.suffix == ".xlsx":
            _write_workbook(self.path, self.columns, self._rows_of(self._growing))
            self._growing.unlink()

    def _existing_rows(self) -> list[dict[str, Cell]]:
        rows: list[dict[str, Cell]] = []
        if self.path.exists():
            rows = self._rows_of(self.path)
        if self._growing != self.path and self._growing.exists():
            rows += self._rows_of(self._growing)
        if self.path.suffix == ".csv" and self.path.exists():
            self._require_columns(_csv_header(self.path) or self.columns)
        for row in rows:
            self._require_columns(tuple(row))
        return rows

    def _require_columns(self, columns: Sequence[str]) -> None:
        if tuple(columns) != self.columns:
            raise ResultsFileError(
                f"{self.path} has the columns {', '.join(map(str, columns))}, but these results "
                f"have {', '.join(self.columns)}: it is of another run; give another name"
            )

    def _rows_of(self, path: Path) -> list[dict[str, Cell]]:
        """The complete rows of a file. Raises ResultsFileError for one that is no such file."""
        read = {".csv": _read_csv, ".jsonl": _read_jsonl, ".xlsx": _read_workbook}[path.suffix]
        try:
            return read(path)
        except (ValueError, KeyError, csv.Error) as error:
            raise ResultsFileError(
                f"{path} is no file of results ({error}): give another name"
            ) from None

    def _ends_whole(self) -> bool:
        """Whether the last row is complete; False for an empty file, which lacks its head."""
        return self._growing.read_bytes().endswith(b"\n")

    def _head(self) -> str:
        return csv_text([self.columns]) if self._growing.suffix == ".csv" else ""

    def _text(self, rows: Sequence[Row]) -> str:
        if self._growing.suffix == ".csv":
            # One row stands in one line, so that an unfinished row can be told.
            cells = []
            for row in rows:
                cells.append([_one_line(row[column]) for column in self.columns])
            return csv_text(cells)
        text = ""
        for row in rows:
            text += json.dumps(_ordered(row, self.columns), ensure_ascii=True) + "\n"
        return text


def _ordered(row: Row, columns: Sequence[str]) -> dict[str, Cell]:
    return {column: row[column] for column in columns}


def _one_line(value: Cell) -> Cell:
    if isinstance(value, str):
        return " ".join(as_text(value).splitlines())
    return value


def _csv_header(path: Path) -> tuple[str, ...] | None:
    """The columns of a table, which may have no row; None for a file without a complete line."""
    with path.open(encoding="utf-8", newline="") as file:
        line = file.readline()
    return tuple(next(csv.reader([line]))) if line.endswith("\n") else None


def _read_csv(path: Path) -> list[dict[str, Cell]]:
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(complete, newline=""), strict=True))


def _read_jsonl(path: Path) -> list[dict[str, Cell]]:
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in complete.splitlines()]


def _read_workbook(path: Path) -> list[dict[str, Cell]]:
    from openpyxl import load_workbook

    try:
        sheet = load_workbook(path, read_only=True).worksheets[0]
    except Exception as error:  # of zipfile, of the XML parser and of openpyxl
        raise ValueError(f"{type(error).__name__}: {error}") from None
    lines = list(sheet.iter_rows(values_only=True))
    if not lines:
        return []
    columns = [str(cell) for cell in lines[0]]
    return [dict(zip(columns, line, strict=True)) for line in lines[1:]]


def _write_workbook(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """A workbook with one sheet. Texts are stored as texts, never as formulas."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("results")
    sheet.append(list(columns))
    for row in rows:
        cells = []
        for column in columns:
            cell = WriteOnlyCell(sheet, value=_printable(row[column]))
            if isinstance(row[column], str):
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    with atomic_write(path) as partial:
        book.save(partial)


def _printable(value: Cell) -> Cell:
    """A cell without the control characters that a workbook cannot hold."""
    if not isinstance(value, str):
        return value
    return "".join(character for character in value if character in "\t\n" or character >= " ")
