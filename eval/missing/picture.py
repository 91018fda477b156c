"""Score against the rate of missing data, one line for each model, as a figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semanticmac.eval.analysis.figure import (
    QUIET,
    RULE,
    SERIES,
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    figure,
    plotted,
    styled,
)
from semanticmac.eval.missing.request import PROTOCOLS, SUBSETS
from semanticmac.eval.missing.tables import CSV_COLUMNS, NamedSummary, csv_rows
from semanticmac.run.metric import Metric

_STYLES = ("-", "--", ":", "-.")  # after the last colour


def missing_figure(models: Sequence[NamedSummary], metric: Metric) -> AnalysisResult:
    """Files missing-PROTOCOL.png, .svg and .csv of models under one protocol."""
    summary = models[0].summary
    with styled():
        if summary.protocol == SUBSETS:
            picture = _subsets_figure(models, metric)
        else:
            picture = _rates_figure(models, metric)
    explanation = f"{metric.name} with less input: {PROTOCOLS[summary.protocol]}."
    if summary.constant is not None:
        explanation += " Dashed and grey: the best constant prediction."
    return AnalysisResult(
        f"missing-{summary.protocol}",
        f"Missing data: {PROTOCOLS[summary.protocol]}",
        explanation,
        {"": picture},
        {"": NumberTable(CSV_COLUMNS, tuple(csv_rows(models)))},
    )


def _rates_figure(models: Sequence[NamedSummary], metric: Metric) -> Figure:
    picture = figure(7.2, max(3.2, 1.2 + 0.17 * len(models)))
    [ax] = axes(picture)
    for place, model in enumerate(models):
        rates = [point.rate for point in model.summary.points]
        means, spreads = _values(model, metric)
        colour = SERIES[place % len(SERIES)]
        style = _STYLES[place // len(SERIES) % len(_STYLES)]
        ax.plot(plotted(rates), means, style, color=colour, label=model.name, marker="o", ms=3)
        if np.isfinite(spreads).any():
            low, high = means - spreads, means + spreads
            ax.fill_between(plotted(rates), low, high, color=colour, alpha=0.12, lw=0)
    _constant(ax, models, horizontal=True)
    ax.set(title=metric.name, xlabel="missing rate")
    ax.grid(True, axis="y", color=RULE)
    if len(models) > 1:
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return picture


def _subsets_figure(models: Sequence[NamedSummary], metric: Metric) -> Figure:
    names: list[str] = []
    for model in models:
        for point in model.summary.points:
            if point.name not in names:
                names.append(point.name)
    picture = figure(7.2, max(2.6, 0.3 * len(names) + 1.0))
    [ax] = axes(picture)
    for place, model in enumerate(models):
        means, _ = _values(model, metric)
        heights = [len(names) - 1 - names.index(point.name) for point in model.summary.points]
        colour = SERIES[place % len(SERIES)]
        marker = "osD^v"[place // len(SERIES) % 5]
        ax.plot(means, heights, marker, color=colour, label=model.name, ms=5, alpha=0.8)
    ax.set_yticks(range(len(names) - 1, -1, -1), names)
    _constant(ax, models, horizontal=False)
    ax.set(title=metric.name)
    ax.grid(True, axis="x", color=RULE)
    if len(models) > 1:
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return picture


def _values(model: NamedSummary, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    means, spreads = [], []
    for point in model.summary.points:
        mean, spread = point.values[metric.name]
        means.append(mean)
        spreads.append(spread)
    return plotted(means), plotted(spreads)


def _constant(ax: Axes, models: Sequence[NamedSummary], *, horizontal: bool) -> None:
    constant = models[0].summary.constant
    if constant is None:
        return
    line = ax.axhline if horizontal else ax.axvline
    line(constant, color=QUIET, lw=0.8, ls="--")
