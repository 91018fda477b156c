"""Shapes of a time line as SVG: curves, boxes, the axis of time.

x runs from 0 to WIDTH over the recording and y from 0 (top) to HEIGHT. The page stretches them.
"""

from __future__ import annotations

from dataclasses import dataclass

from semanticmac.core import Dimension
from semanticmac.eval.timeline import Moment, Timeline

WIDTH, HEIGHT = 1000.0, 100.0
COLOURS = 8  # of classes and speakers in the style sheet; later ones repeat them


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str  # for the legend
    css_class: str
    path: str


@dataclass(frozen=True)
class Box:
    """One rectangle of a chart or of a strip."""

    x: float
    y: float
    width: float
    height: float
    css_class: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Chart:
    """One drawing over the time axis."""

    title: str
    description: str  # read by a screen reader in place of the drawing
    curves: tuple[Curve, ...] = ()
    band: str = ""  # path of the interval; empty: there is none
    boxes: tuple[Box, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()  # (y in per cent, label)
    is_strip: bool = False  # a row without an axis


def colour_class(index: int) -> str:
    """The CSS class of the colour of a class or speaker."""
    return f"colour-{index % COLOURS}"


def box_over(
    timeline: Timeline,
    moment: Moment,
    css_class: str,
    y: float = 0.0,
    height: float = HEIGHT,
    opacity: float = 1.0,
) -> Box:
    """A rectangle over the time of one utterance."""
    left, right = x_at(timeline, moment.start_s), x_at(timeline, moment.end_s)
    return Box(
        round(left, 2),
        round(y, 2),
        round(right - left, 2),
        round(height, 2),
        css_class,
        round(opacity, 3),
    )


def x_at(timeline: Timeline, seconds: float) -> float:
    """The place of a time on the axis."""
    return WIDTH * min(seconds / max(timeline.seconds, 1e-9), 1.0)


def y_at(value: float, dimension: Dimension) -> float:
    """The height of a score; the highest one is at the top."""
    return HEIGHT * (dimension.high - value) / (dimension.high - dimension.low)


def clock(seconds: float) -> str:
    """Seconds as 1:15, or 1:02:07 from an hour on; whole seconds, rounded down."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


def time_ticks(seconds: float) -> list[tuple[float, str]]:
    """(x in per cent, label) of six to twelve round times."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step_s = next((step for step in steps if seconds / step <= 8), 14400)
    ticks: list[tuple[float, str]] = []
    at_s = 0
    while at_s <= seconds:
        ticks.append((round(100 * at_s / max(seconds, 1e-9), 3), clock(at_s)))
        at_s += step_s
    return ticks
