"""Progress of long work: Rich bars on a terminal, plain lines in a file or pipe."""

from __future__ import annotations

import os
import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
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
from rich.segment import Segment, Segments
from rich.text import Text

from semanticmac.commands.ui.screen import echo

# Time between two plain lines of a stage.
_PLAIN_EVERY_S = float(os.environ.get("SEMANTICMAC_PROGRESS_S", "5"))


class _Rate(ProgressColumn):
    """Items per second, once known."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(rate(speed) if speed else "", style="cyan")


class _Failures(ProgressColumn):
    """Number of failures; empty if there are none."""

    def render(self, task: Task) -> Text:
        failed = task.fields.get("failed", 0)
        return Text(f"{failed} failed" if failed else "", style="bold red")


def rate(per_s: float) -> str:
    """Items per second, or seconds per item if the work is slower than that."""
    if per_s >= 1:
        return f"{per_s:.1f}/s"
    each_s = 1 / per_s
    digits = 1 if each_s < 10 else 0
    return f"{each_s:.{digits}f} s each"


class Screen:
    """Shows the progress of several stages, one below the other.

    Long functions receive its method `progress`.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._live: Live | None = None
        self._above: RenderableType | None = None
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._printed: dict[str, float] = {}

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                _Rate(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                _Failures(),
            )
            self._bars = Progress(*columns, console=self.console)
            self._live = Live(
                get_renderable=self._view, console=self.console, refresh_per_second=10
            )
            self._live.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def live(self) -> bool:
        """True on a terminal: there the view above the bars can change."""
        return self._live is not None

    def above(self, view: RenderableType) -> None:
        """Shows a view above the bars, in place of the one before. Only if the screen is live."""
        # Laid out once here. Laid out at every refresh of the bars, it takes a tenth of the time
        # of the work itself.
        segments: list[Segment] = []
        for line in self.console.render_lines(view, pad=False):
            segments += [*line, Segment.line()]
        self._above = Segments(segments)

    def progress(self, stage: str, done: int, total: int, failed: int) -> None:
        """Shows `done` of `total` items of a stage, `failed` of them without success.

        A smaller `done` than before starts the stage anew.
        """
        if done < self._done.get(stage, 0):
            self._started.pop(stage, None)
            self._printed.pop(stage, None)
            if self._bars is not None:
                self._bars.reset(self._tasks[stage])
        self._done[stage] = done
        if self._bars is None:
            self._plain(stage, done, total, failed)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, failed=0)
        self._bars.update(self._tasks[stage], completed=done, total=total, failed=failed)

    def bytes(self, done: int, total: int) -> None:
        """Shows a download, in bytes."""
        self.progress("downloading MiB", done >> 20, total >> 20, 0)

    def line(self, text: str) -> None:
        """Prints a message above the bars."""
        echo(self.console, text)

    def _view(self) -> RenderableType:
        assert self._bars is not None
        bars = self._bars.get_renderable()
        return bars if self._above is None else Group(self._above, bars)

    def _plain(self, stage: str, done: int, total: int, failed: int) -> None:
        now = time.monotonic()
        started = self._started.setdefault(stage, now)
        if done < total and now - self._printed.setdefault(stage, now) < _PLAIN_EVERY_S:
            return
        self._printed[stage] = now
        elapsed = now - started
        speed = f", {rate(done / elapsed)}" if elapsed > 0.05 and done else ""
        left = f", {(total - done) * elapsed / done:.0f} s left" if 0 < done < total else ""
        failures = f", {failed} failed" if failed else ""
        self.console.print(
            f"{stage}: {done}/{total}{speed}{left}{failures}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
