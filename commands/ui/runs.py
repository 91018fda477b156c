"""The runs of a folder as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.commands.ui.screen import Message
from semanticmac.core import counted
from semanticmac.eval.report.results_table import Cell, format_cell
from semanticmac.model.registry import SEMANTICMAC
from semanticmac.run.listing import RunLine, State
from semanticmac.run.metric import VALIDATION_METRICS, Unit, digits_of

_COUNTED = {"seeds": "seed", "folds": "fold", "sweep": "trial"}
_STYLES: dict[State, str] = {
    "finished": "",
    "unfinished": "yellow",
    "failed": "red",
    "broken": "red",
}


def runs_table(root: Path, lines: Sequence[RunLine]) -> Group:
    """Two lines for each run or folder of runs, with notes on some of them below the table.

    Print it with `print_uncropped`: names are never shortened, so that they can be copied.
    """
    table = Table(box=None, padding=(0, 1))
    for header in ("run\ntrained", "dataset"):
        table.add_column(header, no_wrap=True)
    for header in ("seed", "best\nepoch", "validation", "test"):
        table.add_column(header, justify="right", no_wrap=True)
    notes = []
    # Encoders are shown where the runs differ in them.
    differ = len({line.streams for line in lines if line.streams}) > 1
    for line in lines:
        dataset = _dataset(line)
        if differ and line.streams:
            dataset += "\n" + line.streams.replace(", ", "\n")
        texts = (dataset, _count(line), str(line.best_epoch or ""))
        scores = (_validation(line), _test(line))
        table.add_row(_title(root, line), *map(plain_text, (*texts, *scores)))
        if line.note:
            path = Path(line.folder).relative_to(root).as_posix()
            notes.append(Message(f"{path}: {line.note}", _STYLES[line.state] or "dim"))
    for column in table.columns:
        texts_of_column = "\n".join(map(str, (column.header, *column.cells)))
        column.min_width = max(map(cell_len, texts_of_column.split("\n")))
    return Group(Text(str(root), "italic"), table, *notes)


def _title(root: Path, line: RunLine) -> Text:
    """Name and date; a run in a folder of runs is indented."""
    path = Path(line.folder).relative_to(root)
    indent = "  " * (len(path.parts) - 1)
    title = plain_text(indent + path.name, _STYLES[line.state])
    if line.trained is not None:
        date, _, _ = line.trained.partition("T")
        title.append(f"\n{indent}{date}", "dim")
    return title


def _dataset(line: RunLine) -> str:
    """The dataset, and below it the model if it is not SemanticMAC."""
    if line.model in (None, SEMANTICMAC):
        return line.dataset or ""
    return f"{line.dataset or ''}\n{line.model}"


def _count(line: RunLine) -> str:
    """The seed of a run, or how many runs a folder of runs has."""
    if line.kind != "run":
        return counted(line.runs, _COUNTED.get(line.kind, "run"))
    return "" if line.seed is None else str(line.seed)


def _validation(line: RunLine) -> str:
    if line.valid_metric is None:
        return ""
    metric = VALIDATION_METRICS.get(line.valid_metric)
    if metric is None:  # of another version
        return _score(line.valid_score, line.valid_std, "number", line.valid_metric)
    return _score(line.valid_score, line.valid_std, metric.unit, metric.label)


def _test(line: RunLine) -> str:
    if line.test_metric is None or line.test_unit is None:
        return ""
    return _score(line.test_score, line.test_std, line.test_unit, line.test_metric)


def _score(value: float | None, std: float | None, unit: Unit, name: str) -> str:
    """The number as `eval` prints it, with its name below."""
    if value is None:
        return ""
    return f"{format_cell(Cell(value, std, unit=unit, digits=digits_of(unit)))}\n{name}"
