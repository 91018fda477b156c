"""Progress of long work: Rich bars on a terminal, plain lines elsewhere and with --plain."""

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

from semanticmac.commands.ui.screen import echo, is_plain

# Time between two plain lines of a stage.
_PLAIN_EVERY_S = float(os.environ.get("SEMANTICMAC_PROGRESS_S", "5"))


# The length of a stage is estimated from so many items and seconds, and said if it is so long.
ESTIMATE_ITEMS = 3
ESTIMATE_AFTER_S = 10.0
ESTIMATE_LONGER_S = 60.0


class _Stage:
    """How far one stage is, and how fast it was since it began or was resumed."""

    def __init__(self, first: int, now: float) -> None:
        self.first = self.done = first
        self.started = self.printed = now
        self.estimated = False

    def per_s(self) -> float | None:
        """Items per second; None until it can be measured."""
        elapsed_s = time.monotonic() - self.started
        if elapsed_s <= 0.05 or self.done <= self.first:
            return None
        return (self.done - self.first) / elapsed_s

    def left_s(self, total: int) -> float | None:
        """The seconds that the rest will take; None until it can be measured."""
        per_s = self.per_s()
        return None if per_s is None else (total - self.done) / per_s


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


def duration(seconds: float) -> str:
    """Seconds in words that are exact enough for an estimate: 45 s, 12 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


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
        self._stages: dict[str, _Stage] = {}

    def __enter__(self) -> Screen:
        if not is_plain(self.console):
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
        known = self._stages.get(stage)
        if known is not None and done < known.done and self._bars is not None:
            self._bars.reset(self._tasks[stage])
        if known is None or done < known.done:
            known = self._stages[stage] = _Stage(done, time.monotonic())
        known.done = done
        self._estimate(stage, known, total)
        if self._bars is None:
            self._plain(stage, known, total, failed)
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

    def _estimate(self, stage: str, known: _Stage, total: int) -> None:
        """Says once how long a stage will take, if it is long and enough of it is measured."""
        measured = known.done - known.first
        left_s = known.left_s(total)
        if known.estimated or left_s is None or measured < ESTIMATE_ITEMS:
            return
        if time.monotonic() - known.started < ESTIMATE_AFTER_S:
            return
        known.estimated = True
        if left_s >= ESTIMATE_LONGER_S:
            share = measured / max(total - known.first, 1)
            self.line(f"{stage}: about {duration(left_s)} left, measured on the first {share:.0%}")

    def _plain(self, stage: str, known: _Stage, total: int, failed: int) -> None:
        now = time.monotonic()
        if known.done < total and now - known.printed < _PLAIN_EVERY_S:
            return
        known.printed = now
        per_s, left_s = known.per_s(), known.left_s(total)
        speed = f", {rate(per_s)}" if per_s else ""
        left = f", {duration(left_s)} left" if left_s and known.done < total else ""
        failures = f", {failed} failed" if failed else ""
        self.console.print(
            f"{stage}: {known.done}/{total}{speed}{left}{failures}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
