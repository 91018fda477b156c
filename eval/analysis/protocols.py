"""protocols: score against the rate of missing data, from the curves that `eval --missing` left."""

from __future__ import annotations

from pathlib import Path

from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    QUIET,
    RULE,
    SERIES,
    AnalysisResult,
    NumberTable,
    axes,
    figure,
    plotted,
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.missing.curve import read_curve
from semanticmac.eval.missing.request import RATE_PROTOCOLS
from semanticmac.eval.missing.summary import summarise
from semanticmac.eval.missing.tables import CSV_COLUMNS, NamedSummary, csv_rows
from semanticmac.run.digests import WEIGHTS

EXPLANATION = (
    "The same weights with less input, under protocols that drop words, frames or modalities. "
    "Bands: the spread between draws. At rate 0 every curve is the score of complete clips."
)


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """The curves of every protocol that was scored with these weights.

    Raises AnalysisError where there is none.
    """
    weights = data.trained.info.files.get(WEIGHTS, "")
    curves = []
    for protocol in RATE_PROTOCOLS:
        curve = read_curve(run, protocol, split, weights)
        if curve is not None:
            curves.append(curve)
    if not curves:
        raise AnalysisError(
            f"no curve of missing data was scored on {split} with these weights: "
            f"`semanticmac eval --missing all {run}` does it"
        )
    picture = figure(7.2, 3.4)
    [ax] = axes(picture)
    main = curves[0].main
    lines = []
    for place, curve in enumerate(curves):
        summary = summarise([curve])
        rates = plotted(point.rate for point in summary.points)
        means = plotted(point.values[main][0] for point in summary.points)
        spreads = plotted(point.values[main][1] for point in summary.points)
        label: str = curve.protocol
        if curve.text != "absent":
            label += f", {curve.text}"
        ax.plot(rates, means, "o-", ms=3, color=SERIES[place], label=label)
        ax.fill_between(rates, means - spreads, means + spreads, color=SERIES[place], alpha=0.12)
        lines += csv_rows([NamedSummary(run.name, summary)])
    if curves[0].constant is not None:
        ax.axhline(curves[0].constant, color=QUIET, lw=0.8, ls="--", label="a constant")
    ax.set(title=main, xlabel="missing rate")
    ax.grid(True, axis="y", color=RULE)
    ax.legend(fontsize=8)
    return AnalysisResult(
        "protocols",
        "Missing data by protocol",
        EXPLANATION,
        {"": picture},
        {"": NumberTable(CSV_COLUMNS, tuple(lines))},
    )
