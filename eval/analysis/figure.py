"""Results of analyses: figures as PNG and SVG, numbers as CSV. The only importer of matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.cache.atomic_io import atomic_write, write_text
from semanticmac.eval.report.csv_text import csv_text

try:
    import matplotlib
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError:
    raise ImportError("figures need matplotlib: pip install 'semanticmac[report]'") from None

__all__ = [
    "AnalysisResult",
    "Axes",
    "Figure",
    "NumberTable",
    "axes",
    "colour_of",
    "figure",
    "plotted",
    "styled",
    "thinned",
]

INK, QUIET, RULE = "#1d2530", "#6b7480", "#d9dde2"
# Colours of Okabe and Ito, for readers with colour blindness too.
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
    # Names of classes and clips are text: `$` in them starts no formula.
    "text.parse_math": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    # The same analysis writes the same bytes: no date and no random names. Text stays text.
    "svg.hashsalt": "semanticmac",
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class NumberTable:
    """The numbers of an analysis at full precision, for a CSV file; None = undefined."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def to_csv(self) -> str:
        return csv_text([self.columns, *self.rows])


@dataclass(frozen=True)
class AnalysisResult:
    """One analysis: figures, their explanation, and the numbers behind them."""

    name: str  # of its files
    title: str
    explanation: str  # how to read the figures, in a sentence or two
    figures: dict[str, Figure]  # by the suffix of the file name; the main one has none
    tables: dict[str, NumberTable]
    photographs: bool = False  # with photographs; the page then shows a PNG instead of an SVG

    def write(self, folder: Path) -> list[Path]:
        """Writes NAME.png, NAME.svg and NAME.csv; returns the paths."""
        written = []
        for suffix, picture in self.figures.items():
            for ending in ("png", "svg"):
                path = folder / f"{self._stem(suffix)}.{ending}"
                with atomic_write(path) as temporary:
                    temporary.write_bytes(render(picture, ending))
                written.append(path)
        for suffix, table in self.tables.items():
            path = folder / f"{self._stem(suffix)}.csv"
            write_text(path, table.to_csv())
            written.append(path)
        return written

    def _stem(self, suffix: str) -> str:
        return f"{self.name}-{suffix}" if suffix else self.name


@contextmanager
def styled() -> Iterator[None]:
    """Figures drawn in the block have the project's style."""
    with rc_context(_STYLE):
        yield


def figure(width: float = 7.2, height: float = 3.2) -> Figure:
    """An empty figure; sizes in inches."""
    with rc_context(_STYLE):
        return Figure(figsize=(width, height))


def axes(picture: Figure, rows: int = 1, columns: int = 1, **options: Any) -> list[Axes]:
    """The panels of a figure, row by row."""
    with rc_context(_STYLE):
        grid = picture.subplots(rows, columns, squeeze=False, **options)
    return list(grid.ravel())


def render(picture: Figure, ending: str) -> bytes:
    """The bytes of an SVG or PNG file."""
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        if ending == "svg":
            picture.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        else:
            software = {"Software": f"Matplotlib {matplotlib.__version__}"}
            picture.savefig(buffer, format="png", dpi=200, metadata=software)
    return buffer.getvalue()


def colour_of(name: str, place: int = 0) -> str:
    """The fixed colour of a modality or sub-task; other names get a colour by their place."""
    return COLOURS.get(name, SERIES[place % len(SERIES)])


def plotted(values: Iterable[object]) -> np.ndarray:
    """Values as an array; None becomes NaN, which matplotlib draws as a gap."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def thinned(count: int, most: int) -> Sequence[int]:
    """At most `most` of the numbers 0 … count − 1, evenly spread."""
    if count <= most:
        return range(count)
    return [place * count // most for place in range(most)]
