"""Long work on the screen: Rich bars on a terminal, plain lines anywhere else. Written to standard error."""

from __future__ import annotations

import os
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_PLAIN_EVERY_S = float(os.environ.get("SEMANTICMAC_PROGRESS_S", "5"))  # between two plain lines of a stage


class _Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="cyan")


class _Failures(ProgressColumn):
    """Failures so far, silent while there are none."""

    def render(self, task: Task) -> Text:
        failed = task.fields.get("failed", 0)
        return Text(f"{failed} failed" if failed else "", style="bold red")


class Screen:
    """Shows any number of stages one after the other. `progress` is what long functions are handed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._printed: dict[str, float] = {}

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                _Rate(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                _Failures(),
            )
            self._bars = Progress(*columns, console=self.console)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def progress(self, stage: str, done: int, total: int, failed: int) -> None:
        """`done` of `total` items of a stage are finished, `failed` of them without success."""
        if self._bars is None:
            self._plain(stage, done, total, failed)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, failed=0)
        self._bars.update(self._tasks[stage], completed=done, total=total, failed=failed)

    def bytes(self, done: int, total: int) -> None:
        """A download, in bytes."""
        self.progress("downloading MiB", done >> 20, total >> 20, 0)

    def line(self, text: str) -> None:
        """One line above the bars."""
        (self._bars.console if self._bars is not None else self.console).print(text, highlight=False)

    def _plain(self, stage: str, done: int, total: int, failed: int) -> None:
        now = time.monotonic()
        started = self._started.setdefault(stage, now)
        if done < total and now - self._printed.setdefault(stage, now) < _PLAIN_EVERY_S:
            return
        self._printed[stage] = now
        elapsed = now - started
        rate = f", {done / elapsed:.1f}/s" if elapsed > 0.05 and done else ""
        left = f", {(total - done) * elapsed / done:.0f} s left" if 0 < done < total else ""
        failures = f", {failed} failed" if failed else ""
        self.console.print(
            f"{stage}: {done}/{total}{rate}{left}{failures}", highlight=False, markup=False, soft_wrap=True
        )
