"""Labels of one table row, checked against the task of the corpus."""

from __future__ import annotations

from collections.abc import Mapping

from semanticmac.core import Label, Task
from semanticmac.preprocess.corpora.tables import Row

# Column of a label list → the modality that its label is about.
LABEL_COLUMNS: Mapping[str, str] = {
    "label": "multimodal",
    "label_text": "text",
    "label_audio": "audio",
    "label_vision": "vision",
}


def read_labels(
    row: Row, task: Task, columns: Mapping[str, str] = LABEL_COLUMNS
) -> dict[str, Label]:
    """The labels of one row by modality; an empty cell gives no label.

    `columns` maps a column to multimodal, text, audio or vision. Raises CorpusError with file and
    line for a value that the task does not allow.
    """
    labels: dict[str, Label] = {}
    for column, modality in columns.items():
        value = row.text(column)
        if value:
            labels[modality] = _parse_label(row, column, value, task)
    return labels


def _parse_label(row: Row, column: str, value: str, task: Task) -> Label:
    if value.lower() == "nan":
        raise row.error(f"{column} is NaN; leave the cell empty if the clip is not annotated")

    label: Label = value
    if task.kind == "regression":
        label = row.parse_number(value, f"the {column}")
    elif task.kind == "multi-label":
        classes = [part.strip() for part in value.split("|")]
        label = tuple(name for name in classes if name)

    try:
        task.encode(label)
    except ValueError as error:
        raise row.error(f"{column}: {error}") from error
    return label
