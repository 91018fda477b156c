"""labels: how pseudo labels of each sub-task move over the epochs, and how near they come to what people annotated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, PSEUDO_SUB_TASKS
from semanticmac.eval.analysis.figure import (
    AnalysisError,
    Figure,
    Found,
    Numbers,
    axes,
    colour_of,
    figure,
    plotted,
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics import functions as m
from semanticmac.run.pseudo_labels import PseudoHistory, read_pseudo_labels

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COLUMNS = (
    "sub_task",
    "epoch",
    "clips",
    "mean",
    "std",
    *(f"q{100 * q:02.0f}" for q in QUANTILES),
    "mean_abs_move",
)
WORDS = (
    "Every sub-task starts from the clip's own label and is moved towards its neighbours from epoch to epoch. The bands"
    " hold half and nine tenths of the train clips."
)
WORDS_HUMAN = (
    " Where people annotated a modality by itself, the dashed line is how far the clip's own label is from theirs: a "
    "pseudo label below it has learned something of that modality."
)


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """Train clips alone have pseudo labels, whatever the split."""
    history = read_pseudo_labels(run)
    if history is None:
        raise AnalysisError(
            f"{run} kept no pseudo labels: they were off, or an older version trained it; train again"
        )
    by_id = {row.clip_id: row for row in data.manifest.rows}
    rows = [by_id[clip_id] for clip_id in history.clip_ids if clip_id in by_id]
    if len(rows) < len(history.clip_ids):
        raise AnalysisError(
            f"{data.manifest.dataset} no longer has every train clip of {run}: train again"
        )
    human = against_people(history, rows)
    tables = {"": distributions(history)}
    if human.rows:
        tables["people"] = human
    picture = _draw(data, history, human)
    return Found(
        "labels",
        "Pseudo labels",
        WORDS + (WORDS_HUMAN if human.rows else ""),
        {"": picture},
        tables,
    )


def distributions(history: PseudoHistory) -> Numbers:
    """A line a sub-task and epoch; of classes, over all entries of the soft labels."""
    rows = []
    truth = history.labels[0]  # the first epoch is trained on the ground truth
    for s, name in enumerate(PSEUDO_SUB_TASKS):
        for e, epoch in enumerate(history.epochs):
            values = history.labels[e, s].astype(np.float64)
            values, moved = values[~np.isnan(values)], np.abs(history.labels[e, s] - truth[s])
            spread = [float(q) for q in np.quantile(values, QUANTILES)]
            far = float(np.nanmean(moved))
            rows.append(
                (name, epoch, len(values), float(values.mean()), float(values.std()), *spread, far)
            )
    return Numbers(_COLUMNS, tuple(rows))


def against_people(history: PseudoHistory, rows: list[Row]) -> Numbers:
    """Pseudo label of a modality against the one that people gave it; `own` is the clip's multimodal label instead."""
    found = []
    for name in MODALITIES:
        people = [getattr(row, f"label_{name}") for row in rows]
        there = [
            n for n, label in enumerate(people) if label is not None and rows[n].label is not None
        ]
        if not there:
            continue
        truth = np.array([people[n] for n in there], dtype=np.float64).ravel()
        own = np.array([rows[n].label for n in there], dtype=np.float64).ravel()
        for e, epoch in enumerate(history.epochs):
            said = history.labels[e, PSEUDO_SUB_TASKS.index(name), there].astype(np.float64).ravel()
            sides = (m.mean_absolute_error(truth, said), m.mean_absolute_error(truth, own))
            found.append(
                (name, epoch, len(there), *sides, m.pearson(truth, said), m.pearson(truth, own))
            )
    columns = ("modality", "epoch", "clips", "mae", "mae_own_label", "corr", "corr_own_label")
    return Numbers(columns, tuple(found))


def _draw(data: EvalData, history: PseudoHistory, human: Numbers) -> Figure:
    picture = figure(8.4, 4.6 if human.rows else 2.5)
    panels = axes(picture, 2 if human.rows else 1, 4, sharex=True)
    score = data.trained.info.task.kind == "regression"
    for s, name in enumerate(PSEUDO_SUB_TASKS):
        ax, colour = panels[s], colour_of(name)
        values = [
            epoch[s] if score else np.abs(epoch[s] - history.labels[0, s]).sum(1)
            for epoch in history.labels
        ]
        low, q1, middle, q3, high = np.array([np.nanquantile(v, QUANTILES) for v in values]).T
        ax.fill_between(history.epochs, low, high, color=colour, alpha=0.15, lw=0)
        ax.fill_between(history.epochs, q1, q3, color=colour, alpha=0.35, lw=0)
        ax.plot(history.epochs, middle, color=colour)
        ax.set_title(name)
        ax.grid(True, axis="y")
    panels[0].set_ylabel("pseudo label" if score else "moved away from y")
    for place, name in enumerate(MODALITIES):
        own = [row for row in human.rows if row[0] == name]
        if own:
            ax, epochs = panels[4 + 1 + place], plotted(row[1] for row in own)
            ax.plot(
                epochs, plotted(row[3] for row in own), color=colour_of(name), label="pseudo label"
            )
            ax.plot(
                epochs,
                plotted(row[4] for row in own),
                color=colour_of(name),
                ls="--",
                label="clip's label",
            )
            ax.grid(True, axis="y")
            ax.legend(fontsize=7)
            ax.set_ylim(bottom=0)
    if human.rows:
        panels[4].set_axis_off()
        panels[4].text(
            1.0,
            0.5,
            "distance from\npeople's labels\n(MAE)",
            ha="right",
            va="center",
            transform=panels[4].transAxes,
        )
    for ax in panels:
        ax.set_xlabel("epoch")
    return picture
