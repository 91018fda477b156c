"""The runs of a folder as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from semanticmac.eval.listing import RunLine
from semanticmac.eval.report import cell

_COUNTED = {"seeds": "seeds", "sweep": "trials"}


def runs_table(root: Path, lines: Sequence[RunLine]) -> Group:
    """A line a run or folder of runs; below, what a person should know of some of them."""
    table = Table(title=escape(str(root)), title_justify="left", box=None, padding=(0, 1))
    for name in ("run", "dataset"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "best\nepoch", "validation", "test"):
        table.add_column(name, justify="right")
    table.add_column("trained")
    notes = []
    for line in lines:
        path = Path(line.folder).relative_to(root)
        seed = "" if line.seed is None else str(line.seed)
        several = f"{line.runs} {_COUNTED.get(line.kind, 'runs')}"
        day = "" if line.trained is None else line.trained.partition("T")[0]
        cells = [seed if line.kind == "run" else several, str(line.best_epoch or ""), _validation(line), _test(line)]
        style = {"finished": "", "unfinished": "yellow", "broken": "red"}[line.state]
        name = "  " * (len(path.parts) - 1) + path.name  # of a folder of runs, which stands above it
        table.add_row(Text(name, style), *map(Text, [line.dataset or "", *cells, day]))
        if line.note:
            notes.append(Text(f"{path.as_posix()}: {line.note}", style or "dim"))
    return Group(table, *notes)


def _validation(line: RunLine) -> str:
    if line.valid_score is None or line.valid_metric is None:
        return ""
    metric = line.valid_metric.removeprefix("validation ").removesuffix(" loss")
    spread = "" if line.valid_std is None else f"\n± {line.valid_std:.3f}"
    return f"{metric} {line.valid_score:.3f}{spread}"


def _test(line: RunLine) -> str:
    if line.test_score is None or line.test_metric is None:
        return ""
    spread = "" if line.test_std is None else f"\n± {cell([line.test_std], line.test_metric, 1)}"
    return f"{line.test_metric} {cell([line.test_score], line.test_metric, 1)}{spread}"
