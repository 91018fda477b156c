"""CSV files that a spreadsheet shows as they are: no text in them is read as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV. A text that a spreadsheet would take for a formula begins with `'`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([_safe(value) for value in row])
    return text.getvalue()


def _safe(value: object) -> object:
    if not isinstance(value, str):
        return value
    # The csv module would leave a carriage return bare, and the cell would end there.
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.startswith(_FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
