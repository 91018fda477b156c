"""labels: pseudo labels of each sub-task over the epochs, compared with labels of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, PSEUDO_SUB_TASKS
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    colour_of,
    figure,
    plotted,
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics import functions as m
from semanticmac.run.predictions import rows_by_clip_id
from semanticmac.run.pseudo_labels import PseudoHistory, read_pseudo_labels

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
COLUMNS = (
    "sub_task",
    "epoch",
    "clips",
    "mean",
    "std",
    *(f"q{100 * q:02.0f}" for q in QUANTILES),
    "mean_abs_move",
)
PEOPLE_COLUMNS = ("modality", "epoch", "clips", "mae", "mae_own_label", "corr", "corr_own_label")
EXPLANATION = (
    "Every sub-task starts from the clip's own label and moves towards the labels of its "
    "neighbours from epoch to epoch. The bands hold half and nine tenths of the train clips."
)
EXPLAIN_PEOPLE = (
    " Where people annotated a modality by itself, the dashed line is the distance between the "
    "clip's own label and theirs. A pseudo label below it has learned about that modality."
)


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """Of the train clips, whatever the split: only they have pseudo labels."""
    history = read_pseudo_labels(run)
    if history is None:
        raise AnalysisError(
            f"{run} kept no pseudo labels: they were off, or an older version trained it; "
            "train again"
        )
    row_of = rows_by_clip_id(data.manifest.rows)
    rows = []
    for clip_id in history.clip_ids:
        if clip_id in row_of:
            rows.append(row_of[clip_id])
    if len(rows) < len(history.clip_ids):
        raise AnalysisError(
            f"{data.manifest.dataset} no longer has every train clip of {run}: train again"
        )
    people = against_people(history, rows)
    task = data.trained.info.task
    is_score = task.kind == "regression" and task.width == 1
    figures = {"": _draw(is_score, history, people)}
    tables = {"": distributions(history)}
    explanation = EXPLANATION
    if people.rows:
        tables["people"] = people
        explanation += EXPLAIN_PEOPLE
    return AnalysisResult("labels", "Pseudo labels", explanation, figures, tables)


def distributions(history: PseudoHistory) -> NumberTable:
    """One row for each sub-task and epoch; over all entries of soft labels or several scores."""
    rows = []
    truth = history.labels[0]  # the first epoch is trained on the ground truth
    for place, name in enumerate(PSEUDO_SUB_TASKS):
        for number, epoch in enumerate(history.epochs):
            labels = history.labels[number, place]
            moved = float(np.nanmean(np.abs(labels - truth[place])))
            values = labels.astype(np.float64)
            values = values[~np.isnan(values)]
            quantiles = np.quantile(values, QUANTILES).tolist()
            mean, std = float(values.mean()), float(values.std())
            rows.append((name, epoch, len(values), mean, std, *quantiles, moved))
    return NumberTable(COLUMNS, tuple(rows))


def against_people(history: PseudoHistory, rows: list[Row]) -> NumberTable:
    """Pseudo labels of a modality against the labels that people gave it, epoch by epoch.

    The columns `own_label` compare the clip's multimodal label instead.
    """
    lines: list[tuple[object, ...]] = []
    for name in MODALITIES:
        clips, annotated, own = [], [], []
        for number, row in enumerate(rows):
            label = getattr(row, f"label_{name}")
            if label is not None and row.label is not None:
                clips.append(number)
                annotated.append(label)
                own.append(row.label)
        if not clips:
            continue
        truth = np.array(annotated, dtype=np.float64).ravel()
        own_label = np.array(own, dtype=np.float64).ravel()
        own_error, own_corr = m.mean_absolute_error(truth, own_label), m.pearson(truth, own_label)
        place = PSEUDO_SUB_TASKS.index(name)
        for labels, epoch in zip(history.labels, history.epochs, strict=True):
            pseudo = labels[place, clips].astype(np.float64).ravel()
            error, corr = m.mean_absolute_error(truth, pseudo), m.pearson(truth, pseudo)
            lines.append((name, epoch, len(clips), error, own_error, corr, own_corr))
    return NumberTable(PEOPLE_COLUMNS, tuple(lines))


def _draw(is_score: bool, history: PseudoHistory, people: NumberTable) -> Figure:
    """Upper row: the labels of each sub-task. Lower row, if there is one: distance to people."""
    picture = figure(8.4, 4.6 if people.rows else 2.5)
    columns = len(PSEUDO_SUB_TASKS)
    panels = axes(picture, 2 if people.rows else 1, columns, sharex=True)
    for place, name in enumerate(PSEUDO_SUB_TASKS):
        _draw_sub_task(panels[place], is_score, history, place)
        panels[place].set_title(name)
    panels[0].set_ylabel("pseudo label" if is_score else "moved away from y")
    if people.rows:
        _draw_people(dict(zip(PSEUDO_SUB_TASKS, panels[columns:], strict=True)), people)
    for ax in panels:
        ax.set_xlabel("epoch")
    return picture


def _draw_sub_task(ax: Axes, is_score: bool, history: PseudoHistory, place: int) -> None:
    """Quantiles of the scores, or of how far soft labels or several scores moved from the truth."""
    quantiles = []
    for labels in history.labels:
        values = labels[place]
        if not is_score:
            values = np.nansum(np.abs(values - history.labels[0, place]), axis=1)
        quantiles.append(np.nanquantile(values, QUANTILES))
    low, q1, middle, q3, high = np.array(quantiles).T
    colour = colour_of(PSEUDO_SUB_TASKS[place])
    ax.fill_between(history.epochs, low, high, color=colour, alpha=0.15, lw=0)
    ax.fill_between(history.epochs, q1, q3, color=colour, alpha=0.35, lw=0)
    ax.plot(history.epochs, middle, color=colour)
    ax.grid(True, axis="y")


def _draw_people(panels: dict[str, Axes], people: NumberTable) -> None:
    """One panel for each modality; the panel of `shared` holds the legend."""
    for name in MODALITIES:
        rows = [row for row in people.rows if row[0] == name]
        if not rows:
            continue
        ax, colour = panels[name], colour_of(name)
        columns = list(zip(*rows, strict=True))
        epochs = plotted(columns[1])
        ax.plot(epochs, plotted(columns[3]), color=colour, label="pseudo label")
        ax.plot(epochs, plotted(columns[4]), color=colour, ls="--", label="clip's label")
        ax.grid(True, axis="y")
        ax.legend(fontsize=7)
        ax.set_ylim(bottom=0)
    ax = panels["shared"]
    ax.set_axis_off()
    text = "distance from\npeople's labels\n(MAE)"
    ax.text(1.0, 0.5, text, ha="right", va="center", transform=ax.transAxes)
