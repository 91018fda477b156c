"""The picture of `probe`: the main metric of every stream with its interval."""

from __future__ import annotations

from semanticmac.eval.analysis.figure import (
    QUIET,
    AnalysisResult,
    Figure,
    NumberTable,
    axes,
    colour_of,
    figure,
    styled,
)
from semanticmac.eval.stream_probe import ProbeReport

COLUMNS = ("stream", "modality", "metric", "value", "low95", "high95", "clips_without")
EXPLANATION = (
    "A linear map from the mean and the deviation of each clip's embeddings to its label. Bars are "
    "95 % intervals over resampled clips; the dashed line is the constant baseline."
)


def ranking(report: ProbeReport) -> AnalysisResult:
    """One dot a stream, the best on top; the table has every metric."""
    rows: list[tuple[object, ...]] = []
    for stream in (report.constant, *report.streams):
        limits = {interval.name: interval for interval in stream.intervals}
        for metric in stream.metrics:
            interval = limits.get(metric.name)
            low, high = (None, None) if interval is None else (interval.low, interval.high)
            line = (stream.name, stream.modality, metric.name, metric.value, low, high)
            rows.append((*line, stream.lacking))
    with styled():
        picture = _draw(report)
    return AnalysisResult(
        "probe",
        "Linear probes of the cached streams",
        EXPLANATION,
        {"": picture},
        {"": NumberTable(COLUMNS, tuple(rows))},
    )


def _draw(report: ProbeReport) -> Figure:
    picture = figure(6.4, 1.2 + 0.32 * len(report.streams))
    [ax] = axes(picture)
    names = []
    for place, stream in enumerate(reversed(report.streams)):
        names.append(stream.name)
        colour, interval = (
            colour_of(stream.modality),
            stream.interval_of(report.constant.scores.main),
        )
        if stream.main is None:
            continue
        if interval.low is not None and interval.high is not None:
            ax.plot([interval.low, interval.high], [place, place], color=colour, lw=2.2, alpha=0.5)
        ax.plot(stream.main, place, "o", color=colour, ms=6)
    if report.constant.main is not None:
        ax.axvline(report.constant.main, color=QUIET, lw=0.9, ls="--")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=report.constant.scores.main, ylim=(-0.6, len(names) - 0.4))
    for modality in ("audio", "vision"):
        ax.plot([], [], "o", color=colour_of(modality), label=modality)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.5 / max(1, len(names))), ncols=2)
    ax.grid(True, axis="x")
    return picture
