"""The leaderboard on one HTML page that needs no network and no other file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semanticmac.eval.leaderboard.missing import curves_by_protocol, missing_tables
from semanticmac.eval.leaderboard.result import Leaderboard, ModelRow
from semanticmac.eval.leaderboard.tables import (
    LEVEL,
    cost_table,
    failure_notes,
    headline_metrics,
    paper_table,
    reading_notes,
    score_table,
)
from semanticmac.eval.report.template import render_template
from semanticmac.eval.report.write_html import HtmlTable, to_html
from semanticmac.run.metric import Metric, digits_of, format_number

if TYPE_CHECKING:
    # It loads matplotlib, and a leaderboard without curves of missing data needs none.
    from semanticmac.eval.report.page import Pairs

LEFT, WIDTH, ROW = 190.0, 760.0, 24.0  # of the chart, in units of its view box
_TICKS = 5
METRICS = 5  # columns that fit the page beside rank and p; the CSV has all metrics


@dataclass(frozen=True)
class Bar:
    """One model of the chart, in places of the view box."""

    name: str
    y: float
    mean: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """The main metric of every model, the best on top."""

    title: str
    direction: str
    left: float
    width: float
    height: float
    ticks: tuple[tuple[float, str], ...]
    constants: tuple[float, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class MissingSection:
    """One protocol of missing data: a picture and a table."""

    title: str
    source: str  # data URI
    table: HtmlTable
    notes: tuple[str, ...]


@dataclass(frozen=True)
class LeaderboardPage:
    """Everything that the template reads; the template computes nothing."""

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    facts: Pairs
    summary: tuple[str, ...]
    chart: Chart
    scores: HtmlTable
    notes: tuple[str, ...]
    missing: tuple[MissingSection, ...]
    cost: HtmlTable
    device: str
    papers: HtmlTable | None
    paper_notes: tuple[str, ...]
    models: Pairs
    spaces: Pairs
    shared: Pairs


def leaderboard_html(board: Leaderboard) -> str:
    """The page as text."""
    return render_template("leaderboard.html", leaderboard_page(board))


def leaderboard_page(board: Leaderboard) -> LeaderboardPage:
    papers = paper_table(board)
    learned = [row for row in board.rows if row.kind != "constant"]
    return LeaderboardPage(
        title=f"Leaderboard · {board.dataset}",
        subtitle=f"{'; '.join(board.embeddings.values())}; {_versions(board)}",
        warnings=failure_notes(board),
        facts=(
            ("models", str(len(learned))),
            ("trials of each", str(board.trials)),
            ("seeds", str(len(board.seeds))),
            ("test clips", str(board.clips["test"])),
            ("ranked by", board.main),
        ),
        summary=summary(board),
        chart=chart(board),
        scores=to_html(score_table(board, headline_metrics(board, METRICS))),
        notes=reading_notes(board),
        missing=_missing(board),
        cost=to_html(cost_table(board)),
        device=board.device,
        papers=None if papers is None else to_html(papers),
        paper_notes=() if papers is None else papers.notes,
        models=tuple((row.name, about(row)) for row in learned),
        spaces=tuple((row.name, space_text(row)) for row in learned),
        shared=tuple((key, _value(value)) for key, value in board.shared.items()),
    )


def _missing(board: Leaderboard) -> tuple[MissingSection, ...]:
    """One section for each protocol. Figures need matplotlib, as all figures do."""
    by_protocol = curves_by_protocol(board)
    if not by_protocol:
        return ()
    from semanticmac.eval.missing.picture import missing_figure
    from semanticmac.eval.report.page import page_figure

    sections = []
    for models, table in zip(by_protocol, missing_tables(board), strict=True):
        figure = page_figure(missing_figure(models, board.metric(board.main)))
        [source] = figure.sources
        html = to_html(table)
        sections.append(MissingSection(figure.title, source, html, table.notes))
    return tuple(sections)


def summary(board: Leaderboard) -> tuple[str, ...]:
    """What the table says, in sentences."""
    ranked = board.ranked
    if not ranked:
        return ()
    best = ranked[0]
    metric = board.metric(board.main)
    sentences = [
        f"{best.name} has the best {board.main}, {_number(best.mean(board.main), metric)}."
    ]
    level = []
    for row in ranked[1:]:
        if row.against is not None and row.against.p_holm >= LEVEL:
            level.append(row.name)
    if level:
        sentences.append(
            f"These are not significantly worse at {LEVEL} on these clips: {', '.join(level)}."
        )
    elif len(ranked) > 1:
        sentences.append(f"All other models are significantly worse at {LEVEL} on these clips.")
    for row in ranked:
        if row.name == "text":
            number = _number(row.mean(board.main), metric)
            sentences.append(f"Text alone is on rank {row.rank} of {len(ranked)}, with {number}.")
    weaker = _below_constant(board, ranked, metric)
    if weaker:
        sentences.append(f"Not better than a constant prediction: {', '.join(weaker)}.")
    return tuple(sentences)


def _below_constant(board: Leaderboard, ranked: Sequence[ModelRow], metric: Metric) -> list[str]:
    sign = 1 if metric.higher_is_better else -1
    constants = []
    for row in board.rows:
        value = row.mean(board.main)
        if row.kind == "constant" and value is not None:
            constants.append(sign * value)
    weaker = []
    for row in ranked:
        value = row.mean(board.main)
        if constants and value is not None and sign * value <= max(constants):
            weaker.append(row.name)
    return weaker


def chart(board: Leaderboard) -> Chart:
    """Places of dots and lines; a row without a score is left out."""
    metric = board.metric(board.main)
    constants, every = [], []
    for row in board.rows:
        values = row.known_values(board.main)
        every += values
        if row.kind == "constant":
            constants += values
    low, high = min(every, default=0.0), max(every, default=1.0)
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 20), 1)

    bars = []
    for number, row in enumerate(board.ranked):
        values = row.known_values(board.main)
        mean = row.mean(board.main)
        assert mean is not None
        y = 20 + ROW * number
        bars.append(Bar(row.name, y, place(mean), tuple(place(value) for value in values)))
    ticks = []
    for value in _round_values(low, high):
        ticks.append((place(value), _number(value, metric)))
    better = "Further right is better." if metric.higher_is_better else "Further left is better."
    height = 20 + ROW * len(bars) + 24
    places = tuple(place(value) for value in constants)
    return Chart(
        board.main,
        better,
        LEFT,
        WIDTH,
        height,
        tuple(ticks),
        tuple(dict.fromkeys(places)),
        tuple(bars),
    )


def _round_values(low: float, high: float) -> list[float]:
    """About five round numbers between the two."""
    rough = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit
    for factor in (1, 2, 5, 10):
        step = factor * unit
        if step >= rough:
            break
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def about(row: ModelRow) -> str:
    """Summary, reference and deviations of a model."""
    parts = [row.summary]
    if row.reference:
        parts.append(row.reference)
    parts += row.notes
    return "; ".join(part for part in parts if part)


def space_text(row: ModelRow) -> str:
    """The drawn settings of a row, each with its range."""
    if not row.space:
        return "no trials: default settings"
    parts = []
    for key, drawn in row.space.items():
        chosen = _value(row.settings[key]) if key in row.settings else "–"
        parts.append(f"{key} {chosen} ({_range(drawn)})")
    return ", ".join(parts)


def _range(drawn: Any) -> str:
    if isinstance(drawn, Mapping):
        scale = ", log" if drawn.get("log") else ""
        return f"{_value(drawn['low'])}…{_value(drawn['high'])}{scale}"
    return " | ".join(_value(option) for option in drawn)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _number(value: float | None, metric: Metric) -> str:
    if value is None:
        return "undefined"
    return format_number(value, metric.unit, digits_of(metric.unit))


def _versions(board: Leaderboard) -> str:
    return ", ".join(f"{name} {version}" for name, version in board.versions.items())
