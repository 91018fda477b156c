"""conflict: the error of a model against how far apart the labels of the modalities lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from semanticmac.core import MODALITIES, Task
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    RULE,
    SERIES,
    AnalysisResult,
    Axes,
    NumberTable,
    axes,
    colour_of,
    figure,
    styled,
)
from semanticmac.eval.conflict import ErrorCurve, error_curves
from semanticmac.eval.eval_data import EvalData

TITLE = "Error where modalities conflict"
COLUMNS = ("prediction", "against", "conflict", "clips", "error", "low95", "high95")
SLOPE_COLUMNS = ("prediction", "against", "clips", "slope", "low95", "high95")
EXPLANATION = (
    "The error of each prediction in bins of equal numbers of clips, by the conflict of the clip: "
    "{conflict}. Left: against the label of the clip. Right: each modality's own prediction "
    "against the label of that modality. Bars: 95 % bootstrap intervals over clips."
)


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """Raises AnalysisError where the dataset has no labels of single modalities."""
    curves = measure(data, split)
    task = data.trained.info.task
    picture = figure(8.4, 3.4)
    left, right = axes(picture, 1, 2, sharey=True)
    for curve in curves:
        ax = left if curve.against == "clip" else right
        place = ("multimodal", *MODALITIES).index(curve.prediction)
        _draw(ax, curve, curve.prediction, colour_of(curve.prediction), place)
    left.set(title="against the label of the clip", ylabel=_error_name(task))
    right.set_title("against the modality's own label")
    explanation = EXPLANATION.format(conflict=_conflict_name(task))
    if len(curves) == 1:
        explanation += " This model has no predictions of single modalities."
    for ax in (left, right):
        _finish(ax)
    tables = {"": _bins_table(curves), "slopes": _slopes_table(curves)}
    return AnalysisResult("conflict", TITLE, explanation, {"": picture}, tables)


def analyse_beside(runs: Sequence[tuple[str, EvalData]], split: str) -> AnalysisResult:
    """The multimodal error of several runs in one picture. Files are called conflict-beside."""
    with styled():
        picture = figure(6.4, 3.6)
        [ax] = axes(picture)
    bins: list[tuple[object, ...]] = []
    slopes: list[tuple[object, ...]] = []
    task = runs[0][1].trained.info.task
    for place, (name, data) in enumerate(runs):
        curves = measure(data, split)
        for curve in curves:
            if curve.prediction == "multimodal":
                _draw(ax, curve, name, SERIES[place % len(SERIES)], place)
        bins += [(name, *row) for row in _bins_table(curves).rows]
        slopes += [(name, *row) for row in _slopes_table(curves).rows]
    ax.set_ylabel(_error_name(task))
    _finish(ax)
    explanation = (
        f"The multimodal error of each run by the conflict of the clip: {_conflict_name(task)}. "
        "Bars: 95 % bootstrap intervals over clips."
    )
    tables = {
        "beside": NumberTable(("run", *COLUMNS), tuple(bins)),
        "beside-slopes": NumberTable(("run", *SLOPE_COLUMNS), tuple(slopes)),
    }
    return AnalysisResult("conflict", TITLE, explanation, {"beside": picture}, tables)


def measure(data: EvalData, split: str) -> list[ErrorCurve]:
    """The curves of one run. Raises AnalysisError where no clip has labels of two modalities."""
    rows = data.rows(split)
    curves = error_curves(data.trained.info.task, rows, data.predict(rows))
    if not curves:
        raise AnalysisError(
            f"{data.manifest.dataset} has no {split} clips with labels of two modalities by "
            "themselves, and conflict is the distance between them. sims, simsv2 and demo have "
            "such labels; a folder has them with label_text, label_audio, label_vision in clips.csv"
        )
    return curves


def _bins_table(curves: Sequence[ErrorCurve]) -> NumberTable:
    rows: list[tuple[object, ...]] = []
    for curve in curves:
        for part in curve.bins:
            values = (part.conflict, part.clips, part.error, part.low, part.high)
            rows.append((curve.prediction, curve.against, *values))
    return NumberTable(COLUMNS, tuple(rows))


def _slopes_table(curves: Sequence[ErrorCurve]) -> NumberTable:
    rows: list[tuple[object, ...]] = []
    for curve in curves:
        clips = sum(part.clips for part in curve.bins)
        slope = (curve.slope, curve.slope_low, curve.slope_high)
        rows.append((curve.prediction, curve.against, clips, *slope))
    return NumberTable(SLOPE_COLUMNS, tuple(rows))


def _draw(ax: Axes, curve: ErrorCurve, label: str, colour: str, place: int) -> None:
    """place: the number of the line; lines are moved a little, so that no bar hides another."""
    conflict = np.array([part.conflict for part in curve.bins])
    conflict = conflict + 0.012 * place * float(np.ptp(conflict))
    error = np.array([part.error for part in curve.bins])
    low = np.array([part.low for part in curve.bins])
    high = np.array([part.high for part in curve.bins])
    bars = np.stack([error - low, high - error]).clip(min=0)
    ax.errorbar(
        conflict, error, bars, fmt="o-", ms=3.5, lw=1.4, elinewidth=0.8, color=colour, label=label
    )


def _finish(ax: Axes) -> None:
    ax.set_xlabel("conflict of the modalities' labels")
    ax.set_ylim(bottom=0)
    ax.grid(True, axis="y", color=RULE)
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        ax.legend(fontsize=8)


def _conflict_name(task: Task) -> str:
    if task.kind == "regression":
        return "the greatest difference between the labels of two modalities"
    return "the share of pairs of modalities with different labels"


def _error_name(task: Task) -> str:
    return "absolute error" if task.kind == "regression" else "share of wrong predictions"
