"""Labels of one table row, checked against the task of the corpus."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from semanticmac.core import Label, Task
from semanticmac.preprocess.corpora.tables import MINUS_SIGNS, Row, is_number, with_ascii_minus

# Column of a label list → the modality that its label is about.
LABEL_COLUMNS: Mapping[str, str] = {
    "label": "multimodal",
    "label_text": "text",
    "label_audio": "audio",
    "label_vision": "vision",
}


# How tables write that nothing was annotated, beside an empty cell.
MISSING = {"na", "n/a", "#n/a", "<na>"}
_DECIMAL_COMMA = re.compile(rf"[+\-{MINUS_SIGNS}]?\d+,\d+")
# Dashes that stand for a minus in some tables, as word processors write them.
_DASHES = "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}"


def is_missing(value: str) -> bool:
    """Whether a cell says that the clip is not annotated."""
    return value.lower() in MISSING | {""}


def refuse_nan(row: Row, column: str, value: str) -> None:
    """Raises CorpusError for NaN: a program lost a label there, and nobody knows which."""
    if value.lower() == "nan":
        raise row.error(f"{column} is NaN; leave the cell empty if the clip is not annotated")


def refuse_dash(row: Row, column: str, value: str) -> None:
    """Raises CorpusError for a number behind a dash: it may be a negative score or a name."""
    if value.startswith(tuple(_DASHES)) and is_number(with_decimal_point(value[1:])):
        dash = f"{unicodedata.name(value[0])}, U+{ord(value[0]):04X}"
        raise row.error(
            f"{column} is {value!r}, which begins with a dash ({dash}) and not with a minus sign; "
            f"write -{value[1:]}"
        )


def fold(name: str) -> str:
    """A class name without the differences of case and blanks."""
    return " ".join(name.casefold().split())


def has_decimal_comma(value: str) -> bool:
    """Whether a cell is a number with a decimal comma, as `1,5`."""
    return _DECIMAL_COMMA.fullmatch(value) is not None


def with_decimal_point(value: str) -> str:
    """A number with a decimal comma in Python's spelling; anything else as it is."""
    return value.replace(",", ".") if has_decimal_comma(value) else value


def read_labels(
    row: Row, task: Task, columns: Mapping[str, str] = LABEL_COLUMNS
) -> dict[str, Label]:
    """The labels of one row by modality; an empty cell and `NA` give no label.

    `columns` maps a column to multimodal, text, audio or vision. Raises CorpusError with file and
    line for a value that the task does not allow.
    """
    labels: dict[str, Label] = {}
    for column, modality in columns.items():
        value = row.text(column)
        if not is_missing(value):
            labels[modality] = _parse_label(row, column, value, task)
    return labels


def _parse_label(row: Row, column: str, value: str, task: Task) -> Label:
    refuse_nan(row, column, value)
    refuse_dash(row, column, value)
    label: Label = value
    if task.kind == "regression":
        label = row.parse_number(with_decimal_point(value), f"the {column}")
    elif task.kind == "multi-label":
        names = filter(None, map(str.strip, value.split("|")))
        label = tuple(_known_spelling(name, task) for name in names)
    else:
        label = _known_spelling(value, task)

    try:
        task.encode(label)
    except ValueError as error:
        raise row.error(f"{column}: {error}") from error
    return label


def _known_spelling(name: str, task: Task) -> str:
    """The class that a cell means: `Happy ` is happy, and `1.0` is 1."""
    for known in task.classes:
        if fold(known) == fold(name):
            return known
    try:
        number = f"{float(with_ascii_minus(name)):g}"
    except ValueError:
        return name
    return number if number in task.classes else name
