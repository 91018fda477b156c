"""What every analysis leaves: pictures as PNG and SVG, numbers as CSV.

The only door to matplotlib.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.cache.atomic_io import atomic_write, write_text

try:
    import matplotlib
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError:
    raise ImportError("pictures need matplotlib: pip install 'semanticmac[report]'") from None

__all__ = [
    "AnalysisError",
    "Axes",
    "Figure",
    "Found",
    "Numbers",
    "axes",
    "colour_of",
    "figure",
    "plotted",
    "styled",
    "thinned",
]

INK, QUIET, RULE = "#1d2530", "#6b7480", "#d9dde2"
# Okabe and Ito's colours, which colour-blind eyes tell apart too.
COLOURS = {
    "text": "#0072b2",
    "audio": "#d55e00",
    "vision": "#009e73",
    "shared": "#8a5a9e",
    "multimodal": INK,
}
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a5a9e")
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    # Equal runs leave equal files: neither a date nor random names in an SVG. Text stays text.
    "svg.hashsalt": "semanticmac",
    "svg.fonttype": "none",
}


class AnalysisError(Exception):
    """An analysis that this run or this cache cannot have; the message says what it would need."""


@dataclass(frozen=True)
class Numbers:
    """A table as it stands in a CSV file: full precision, None = undefined."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def to_csv(self) -> str:
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(self.columns)
        lines.writerows(self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class Found:
    """One analysis: what it is called, what it says in words, its pictures and its numbers."""

    name: str  # of its files
    title: str
    words: str  # what to see in it, in a sentence or two
    pictures: dict[str, Figure]  # suffix of the file name, "" for the main one → picture
    numbers: dict[str, Numbers]
    photographs: bool = False  # pictures of people in it: a PNG shows them better than an SVG

    def write(self, folder: Path) -> list[Path]:
        """Leaves NAME.png, NAME.svg and NAME.csv, each whole or not at all."""
        written = []
        for suffix, picture in self.pictures.items():
            for ending in ("png", "svg"):
                path = folder / f"{_file(self.name, suffix)}.{ending}"
                with atomic_write(path) as aside:
                    aside.write_bytes(render(picture, ending))
                written.append(path)
        for suffix, numbers in self.numbers.items():
            path = folder / f"{_file(self.name, suffix)}.csv"
            write_text(path, numbers.to_csv())
            written.append(path)
        return written


@contextmanager
def styled() -> Iterator[None]:
    """Everything that is drawn within has the house's style; the caller's own settings come back after it."""
    with rc_context(_STYLE):
        yield


def figure(width: float = 7.2, height: float = 3.2) -> Figure:
    """An empty picture in inches, in the house's style."""
    with rc_context(_STYLE):
        return Figure(figsize=(width, height))


def axes(picture: Figure, rows: int = 1, columns: int = 1, **options: Any) -> list[Axes]:
    """Panels, row by row."""
    with rc_context(_STYLE):
        grid = picture.subplots(rows, columns, squeeze=False, **options)
    return list(grid.ravel())


def render(picture: Figure, ending: str) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        if ending == "svg":
            picture.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        else:
            picture.savefig(
                buffer,
                format="png",
                dpi=200,
                metadata={"Software": f"Matplotlib {matplotlib.__version__}"},
            )
    return buffer.getvalue()


def colour_of(name: str, place: int = 0) -> str:
    """The colour of a modality or sub-task everywhere; of anything else by its place."""
    return COLOURS.get(name, SERIES[place % len(SERIES)])


def plotted(values: Iterable[object]) -> np.ndarray:
    """Numbers as matplotlib draws them: what is undefined leaves a gap."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def thinned(count: int, most: int) -> Sequence[int]:
    """At most `most` places out of `count`, evenly spread."""
    return range(count) if count <= most else [place * count // most for place in range(most)]


def _file(name: str, suffix: str) -> str:
    return f"{name}-{suffix}" if suffix else name
