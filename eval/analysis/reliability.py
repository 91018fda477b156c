"""calibration: a reliability diagram of classes, or predicted scores against the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semanticmac.core import SCORE, Dimension
from semanticmac.eval.analysis.figure import (
    QUIET,
    SERIES,
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    figure,
    plotted,
)
from semanticmac.eval.calibration import Agreement, Bin, Calibration, agreements, calibration
from semanticmac.eval.eval_data import EvalData

BIN_COLUMNS = ("low", "high", "count", "said", "true")
EXPLAIN_CLASSES = (
    "Bars: the share of right answers, by the confidence of the model. On the diagonal, a model "
    "that is 80 % sure is right four times out of five. The temperature is fitted on validation "
    "alone."
)
EXPLAIN_SCORES = (
    "Each dot is a clip; the line joins the means of tenths of the clips. On the diagonal, the "
    "prediction is the truth on average. Where the line is flatter than the diagonal, strong "
    "predictions are too strong."
)


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """Regression: predictions against the truth. Classes: a reliability diagram."""
    if data.trained.info.task.kind == "regression":
        return _analyse_scores(data, split)
    return _analyse_classes(data, split)


def _analyse_scores(data: EvalData, split: str) -> AnalysisResult:
    task, predictions = data.trained.info.task, data.predict(data.rows(split))
    truth, prediction = predictions.truth, predictions.multimodal
    parts = agreements(task, truth, prediction)
    rows: list[tuple[object, ...]] = []
    for part in parts:
        rows += [(part.name, *_bin_row(bin_)) for bin_ in part.bins]
    table = NumberTable(("score", *BIN_COLUMNS), tuple(rows))
    if task.width == 1:
        table = NumberTable(BIN_COLUMNS, tuple(row[1:] for row in rows))
    picture = figure(4.4 * len(parts), 4.0)
    for ax, part in zip(axes(picture, 1, len(parts)), parts, strict=True):
        place = task.names.index(part.name)
        _draw_scores(ax, truth[:, place], prediction[:, place], part, task.dimensions[place])
    title = "Prediction against truth"
    return AnalysisResult("calibration", title, EXPLAIN_SCORES, {"": picture}, {"": table})


def _analyse_classes(data: EvalData, split: str) -> AnalysisResult:
    test, valid = data.predict(data.rows(split)), data.predict(data.rows("valid"))
    found = calibration(
        data.trained.info.task, (test.truth, test.multimodal), (valid.truth, valid.multimodal)
    )
    rows: list[tuple[object, ...]] = []
    for bin_ in found.bins:
        rows.append(("as it is", *_bin_row(bin_)))
    for bin_ in found.bins_scaled:
        rows.append(("with temperature", *_bin_row(bin_)))
    summary_columns = ("answers", "temperature", "expected_error", "expected_error_scaled")
    summary_row = (found.answers, found.temperature, found.error, found.error_scaled)
    tables = {
        "": NumberTable(("logits", *BIN_COLUMNS), tuple(rows)),
        "summary": NumberTable(summary_columns, (summary_row,)),
    }
    figures = {"": _draw_classes(found)}
    return AnalysisResult("calibration", "Calibration", EXPLAIN_CLASSES, figures, tables)


def _bin_row(bin_: Bin) -> tuple[object, ...]:
    return (bin_.low, bin_.high, bin_.count, bin_.said, bin_.true)


def _draw_scores(
    ax: Axes, truth: np.ndarray, prediction: np.ndarray, found: Agreement, dimension: Dimension
) -> None:
    low, high = dimension.low, dimension.high
    _draw_diagonal(ax, low, high)
    ax.scatter(prediction, truth, s=12, color=SERIES[0], alpha=0.45, lw=0)
    mean_prediction = plotted(bin_.said for bin_ in found.bins)
    mean_truth = plotted(bin_.true for bin_ in found.bins)
    ax.plot(mean_prediction, mean_truth, "o-", color=SERIES[1], ms=4)
    margin = 0.05 * (high - low)
    limits = (low - margin, high + margin)
    ax.set(xlabel="prediction", ylabel="truth", xlim=limits, ylim=limits)
    if dimension.name != SCORE:
        ax.set_title(dimension.name)
    ax.grid(True)


def _draw_classes(found: Calibration) -> Figure:
    picture = figure(7.6, 3.4)
    left, right = axes(picture, 1, 2, sharey=True)
    _draw_bins(left, found.bins, "as it is")
    _draw_bins(right, found.bins_scaled, "with the temperature of validation")
    return picture


def _draw_bins(ax: Axes, bins: tuple[Bin, ...], title: str) -> None:
    """Bars are darker for bins of more answers; a line shows the gap to the mean confidence."""
    most = max(bin_.count for bin_ in bins)
    for bin_ in bins:
        if bin_.said is None or bin_.true is None:
            continue
        middle = (bin_.low + bin_.high) / 2
        ax.bar(middle, bin_.true, 0.085, color=SERIES[0], alpha=0.25 + 0.75 * bin_.count / most)
        ax.plot([bin_.said, bin_.said], [bin_.said, bin_.true], color=SERIES[1], lw=1.6)
    _draw_diagonal(ax, 0, 1)
    ax.set(title=title, xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
    ax.grid(True, axis="y")


def _draw_diagonal(ax: Axes, low: float, high: float) -> None:
    ax.plot([low, high], [low, high], color=QUIET, lw=0.8, ls="--")
