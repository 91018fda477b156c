"""The runs of a folder as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from semanticmac.commands.ui.screen import Message
from semanticmac.eval.report.formatting import cell
from semanticmac.run.listing import RunLine

_COUNTED = {"seeds": "seeds", "sweep": "trials"}


def runs_table(root: Path, lines: Sequence[RunLine]) -> Group:
    """Two lines a run or folder of runs, its name whole; below, what a person should know of some of them.

    Print it with `print_uncropped`.
    """
    table = Table(box=None, padding=(0, 1))
    for header in ("run\ntrained", "dataset"):
        table.add_column(header, no_wrap=True)
    for header in ("seed", "best\nepoch", "validation", "test"):
        table.add_column(header, justify="right", no_wrap=True)
    notes = []
    for line in lines:
        seed = "" if line.seed is None else str(line.seed)
        several = f"{line.runs} {_COUNTED.get(line.kind, 'runs')}"
        cells = [
            seed if line.kind == "run" else several,
            str(line.best_epoch or ""),
            _validation(line),
            _test(line),
        ]
        style = {"finished": "", "unfinished": "yellow", "failed": "red", "broken": "red"}[
            line.state
        ]
        name = _name(root, line)
        title = Text(name, style)
        if line.trained is not None:
            indent = " " * (len(name) - len(name.lstrip()))
            title.append(f"\n{indent}{line.trained.partition('T')[0]}", "dim")
        table.add_row(title, *map(Text, [line.dataset or "", *cells]))
        if line.note:
            notes.append(
                Message(
                    f"{Path(line.folder).relative_to(root).as_posix()}: {line.note}", style or "dim"
                )
            )
    for (
        column
    ) in table.columns:  # or Rich would cut what does not fit, and a name is there to be copied
        written = "\n".join(map(str, (column.header, *column.cells)))
        column.min_width = max(map(cell_len, written.split("\n")))
    return Group(Text(str(root), "italic"), table, *notes)


def _name(root: Path, line: RunLine) -> str:
    """Indented below the name of the folder of runs that it is in."""
    path = Path(line.folder).relative_to(root)
    return "  " * (len(path.parts) - 1) + path.name


def _validation(line: RunLine) -> str:
    if line.valid_score is None or line.valid_metric is None:
        return ""
    metric = line.valid_metric.removeprefix("validation ")
    # A loss is a mean of absolute or squared errors, and is printed as MAE is; any other is a
    # share.
    scale = "MAE" if metric.endswith(" loss") else metric
    return _score(metric.removesuffix(" loss"), line.valid_score, line.valid_std, scale)


def _test(line: RunLine) -> str:
    if line.test_score is None or line.test_metric is None:
        return ""
    return _score(line.test_metric, line.test_score, line.test_std, line.test_metric)


def _score(name: str, score: float, std: float | None, scale: str) -> str:
    """The number as `eval` prints it, below it what it is."""
    spread = "" if std is None else f" ± {cell([std], scale, 1)}"
    return f"{cell([score], scale, 1)}{spread}\n{name}"
