"""embedding: t-SNE of specific and shared representations, coloured by modality and by label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE

from semanticmac.core import MODALITIES, Task
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    colour_of,
    figure,
    thinned,
)
from semanticmac.eval.analysis.represent import represent, unit
from semanticmac.eval.eval_data import EvalData

CLIPS = 300  # at most; each has up to six points, and t-SNE takes seconds
SEED = 0
LEAST_POINTS = 8
MARKERS = {"specific": "o", "shared": "^"}
COLUMNS = ("clip_id", "modality", "representation", "label", "x", "y")
EXPLANATION = (
    "Each clip has a specific and a shared point for each of its modalities. In a model that works "
    "as intended, specific points separate by modality, and shared points mix the modalities and "
    "follow the label. Distances between separate groups mean nothing in a t-SNE."
)


@dataclass(frozen=True)
class Point:
    """The origin of one point of the map."""

    clip_id: str
    modality: str
    representation: str
    label: float | str


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """One map of all points, drawn with two colourings."""
    task, rows = data.trained.info.task, data.rows(split)
    found = represent(data, [rows[place] for place in thinned(len(rows), CLIPS)])
    vectors: list[np.ndarray] = []
    points: list[Point] = []
    for kind, vectors_of_kind in (("specific", found.specific), ("shared", found.shared)):
        for place, name in enumerate(MODALITIES):
            for number in np.flatnonzero(found.present[:, place]):
                vectors.append(vectors_of_kind[number, place])
                label = shown_label(task, found.truth[number])
                points.append(Point(found.clip_ids[number], name, kind, label))
    if len(points) < LEAST_POINTS:
        raise AnalysisError(
            f"{split} has {len(points)} representations: a map needs at least {LEAST_POINTS}; "
            "choose another --split"
        )
    perplexity = min(30.0, (len(points) - 1) / 4)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=SEED)
    places = tsne.fit_transform(unit(np.array(vectors)))
    lines = []
    for point, (x, y) in zip(points, places, strict=True):
        lines.append((*vars(point).values(), float(x), float(y)))
    return AnalysisResult(
        "embedding",
        "Specific and shared representations",
        EXPLANATION,
        {"": draw(task, places, points)},
        {"": NumberTable(COLUMNS, tuple(lines))},
    )


def shown_label(task: Task, truth: np.ndarray) -> float | str:
    """A label that can have a colour: the score, or the class.

    The first of several scores or emotions; empty = not annotated.
    """
    if np.isnan(truth[0]):
        return ""
    if task.kind == "regression":
        return float(truth[0])
    if task.kind == "binary":
        return task.classes[int(truth[0] > 0.5)]
    return task.classes[int(truth.argmax())] if truth.any() else "none"


def draw(task: Task, places: np.ndarray, points: list[Point]) -> Figure:
    """places (P, 2): the map."""
    picture = figure(8.4, 4.0)
    left, right = axes(picture, 1, 2)
    _draw_modalities(left, places, points)
    if task.kind == "regression":
        _draw_scores(picture, right, task, places, points)
    else:
        _draw_classes(right, task, places, points)
    left.set_title("by modality")
    right.set_title("by label" if task.width == 1 or task.classes else f"by {task.names[0]}")
    for ax in (left, right):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return picture


def _draw_modalities(ax: Axes, places: np.ndarray, points: list[Point]) -> None:
    for kind, marker in MARKERS.items():
        for name in MODALITIES:
            chosen = [(point.representation, point.modality) == (kind, name) for point in points]
            x, y = places[chosen].T
            colour, label = colour_of(name), f"{name}, {kind}"
            ax.scatter(x, y, s=12, marker=marker, color=colour, alpha=0.75, lw=0, label=label)
    _legend(ax, columns=2)


def _draw_scores(
    picture: Figure, ax: Axes, task: Task, places: np.ndarray, points: list[Point]
) -> None:
    first = task.dimensions[0]
    reach = max(first.high - first.neutral, first.neutral - first.low)
    low, high = first.neutral - reach, first.neutral + reach
    for kind, marker in MARKERS.items():
        chosen = []
        labels = []
        for place, point in enumerate(points):
            if point.representation == kind and point.label != "":
                chosen.append(place)
                labels.append(float(point.label))
        x, y = places[chosen].T
        dots = ax.scatter(
            x, y, s=12, marker=marker, c=labels, cmap="RdYlBu", vmin=low, vmax=high, lw=0
        )
    picture.colorbar(dots, ax=ax, shrink=0.7, label="label")


def _draw_classes(ax: Axes, task: Task, places: np.ndarray, points: list[Point]) -> None:
    for kind, marker in MARKERS.items():
        for place, name in enumerate((*task.classes, "none")):
            chosen = [(point.representation, point.label) == (kind, name) for point in points]
            x, y = places[chosen].T
            dots = ax.scatter(x, y, s=12, marker=marker, color=colour_of("", place), lw=0)
            if kind == "specific" and any(chosen):
                dots.set_label(name)
    _legend(ax, columns=4)


def _legend(ax: Axes, columns: int) -> None:
    below = (0.5, -0.02)
    ax.legend(
        fontsize=7, ncols=columns, loc="upper center", bbox_to_anchor=below, handletextpad=0.1
    )
