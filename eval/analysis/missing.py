"""missing: scores with fewer modalities, and with frames or modalities dropped at random."""

from __future__ import annotations

from pathlib import Path

from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    COLOURS,
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
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics.scores import find
from semanticmac.eval.missing.subsets import (
    KINDS,
    CorruptionScores,
    SubsetScores,
    score_corruption,
    score_subsets,
)

COLUMNS = ("kept", "loss", "rate", "metric", "value")
EXPLANATION = (
    "The same weights with less input. Left: modalities made absent in every clip. Right: frames, "
    "or entire modalities, dropped at random."
)


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """The figure shows the metric that the model is judged by; the table has all metrics."""
    if len(data.trained.info.model.modalities) < 2:
        raise AnalysisError("this model reads one modality: nothing can be left out of it")
    subsets = score_subsets(data, split, lambda *_: None)
    corrupted = score_corruption(data, split, lambda *_: None)
    rows: list[tuple[object, ...]] = []
    for subset in subsets:
        for metric in subset.scores.metrics:
            rows.append((" + ".join(subset.kept), "subset", None, metric.name, metric.value))
    for result in corrupted:
        for metric in result.scores.metrics:
            rows.append(("all", result.kind, result.rate, metric.name, metric.value))
    table = NumberTable(COLUMNS, tuple(rows))
    figures = {"": _draw(subsets, corrupted)}
    title = "When something is missing"
    explanation = EXPLANATION + _undefined_note(subsets, corrupted)
    return AnalysisResult("missing", title, explanation, figures, {"": table})


def _undefined_note(subsets: list[SubsetScores], corrupted: list[CorruptionScores]) -> str:
    """A sentence that names the scores without a value: the figures leave them out."""
    main = subsets[0].scores.main
    undefined: list[str] = []
    for subset in subsets:
        if subset.scores[main].value is None:
            undefined.append(" + ".join(subset.kept))
    for result in corrupted:
        if result.scores[main].value is None:
            undefined.append(f"{result.kind} dropped at the rate {result.rate:g}")
    if not undefined:
        return ""
    return f" Not drawn, because {main} is undefined there: {', '.join(undefined)}."


def _draw(subsets: list[SubsetScores], corrupted: list[CorruptionScores]) -> Figure:
    picture = figure(8.4, 3.0)
    left, right = axes(picture, 1, 2)
    _draw_subsets(left, subsets)
    _draw_corruption(right, corrupted)
    baseline = subsets[0].scores.baselines[0]
    constant = find(baseline.metrics, subsets[0].scores.main).value
    if constant is not None:
        left.axvline(constant, color=QUIET, lw=0.8, ls="--")
        right.axhline(constant, color=QUIET, lw=0.8, ls="--")
    return picture


def _draw_subsets(ax: Axes, subsets: list[SubsetScores]) -> None:
    main = subsets[0].scores.main
    names = []
    values = []
    colours = []
    for subset in subsets:
        name = " + ".join(subset.kept)
        names.append(name)
        values.append(subset.scores[main].value)
        colours.append(COLOURS.get(name, QUIET))
    places = list(range(len(names) - 1, -1, -1))
    ax.barh(places, plotted(values), 0.62, color=colours)
    ax.set_yticks(places, names)
    ax.set_title(f"{main} (dashed: a constant)")
    ax.grid(True, axis="x", color=RULE)


def _draw_corruption(ax: Axes, corrupted: list[CorruptionScores]) -> None:
    main = corrupted[0].scores.main
    for place, kind in enumerate(KINDS):
        rates = []
        values = []
        for result in corrupted:
            if result.kind == kind:
                rates.append(result.rate)
                values.append(result.scores[main].value)
        label = f"{kind} dropped"
        ax.plot(rates, plotted(values), "o-", ms=3.5, color=SERIES[place], label=label)
    ax.set(title=main, xlabel="drop rate")
    ax.grid(True, axis="y", color=RULE)
    ax.legend(fontsize=8)
