"""embedding: t-SNE of specific and shared representations, coloured by modality and by label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE

from semanticmac.core import MODALITIES, Task
from semanticmac.eval.analysis.figure import (
    AnalysisError,
    Figure,
    Found,
    Numbers,
    axes,
    colour_of,
    figure,
    thinned,
)
from semanticmac.eval.analysis.represent import represent, unit
from semanticmac.eval.eval_data import EvalData

CLIPS = 300  # at most: six points a clip are enough to read, and t-SNE stays a matter of seconds
SEED = 0
WORDS = (
    "Every clip has a specific and a shared point for each modality it has. Where the model works as intended, specific"
    " points part by modality, and shared points mix the modalities and follow the label. Distances between far groups "
    "mean nothing in a t-SNE."
)


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """One map for all points, drawn twice."""
    rows = data.rows(split)
    found = represent(data, [rows[place] for place in thinned(len(rows), CLIPS)])
    points, about = [], []
    for kind, side in (("specific", found.specific), ("shared", found.shared)):
        for place, name in enumerate(MODALITIES):
            for n in np.flatnonzero(found.present[:, place]):
                points.append(side[n, place])
                about.append(
                    (
                        found.clip_ids[n],
                        name,
                        kind,
                        shown_label(data.trained.info.task, found.truth[n]),
                    )
                )
    if len(points) < 8:
        raise AnalysisError(
            f"{split} has {len(points)} representations: a map needs at least 8; choose another --split"
        )
    perplexity = min(30.0, (len(points) - 1) / 4)
    places = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(
        unit(np.array(points))
    )
    numbers = Numbers(
        ("clip_id", "modality", "representation", "label", "x", "y"),
        tuple((*who, float(x), float(y)) for who, (x, y) in zip(about, places, strict=True)),
    )
    picture = _draw(data.trained.info.task, places, about)
    return Found(
        "embedding", "Specific and shared representations", WORDS, {"": picture}, {"": numbers}
    )


def shown_label(task: Task, truth: np.ndarray) -> float | str:
    """A label that can be a colour: the score, or the class; of several emotions the first; empty = not annotated."""
    if np.isnan(truth).any():
        return ""
    if task.kind == "regression":
        return float(truth[0])
    if task.kind == "binary":
        return task.classes[int(truth[0] > 0.5)]
    return task.classes[int(truth.argmax())] if truth.any() else "none"


def _draw(task: Task, places: np.ndarray, about: list[tuple[str, str, str, float | str]]) -> Figure:
    picture = figure(8.4, 4.0)
    left, right = axes(picture, 1, 2)
    for kind, marker in (("specific", "o"), ("shared", "^")):
        for name in MODALITIES:
            own = [
                i for i, (_, modality, of, _) in enumerate(about) if (modality, of) == (name, kind)
            ]
            label = f"{name}, {kind}"
            left.scatter(
                places[own, 0],
                places[own, 1],
                s=12,
                marker=marker,
                color=colour_of(name),
                alpha=0.75,
                lw=0,
                label=label,
            )
    left.set_title("by modality")
    left.legend(
        fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.02), handletextpad=0.1
    )
    right.set_title("by label")
    for kind, marker in (("specific", "o"), ("shared", "^")):
        own = [i for i, who in enumerate(about) if who[2] == kind and who[3] != ""]
        labels = [about[i][3] for i in own]
        if task.kind == "regression":
            limit = max(abs(task.low), abs(task.high))
            spots = right.scatter(
                places[own, 0],
                places[own, 1],
                s=12,
                marker=marker,
                c=np.array(labels, float),
                cmap="RdYlBu",
                vmin=-limit,
                vmax=limit,
                lw=0,
            )
        else:
            for place, name in enumerate((*task.classes, "none")):
                some = [i for i, label in zip(own, labels, strict=True) if label == name]
                spots = right.scatter(
                    places[some, 0],
                    places[some, 1],
                    s=12,
                    marker=marker,
                    color=colour_of("", place),
                    lw=0,
                )
                if kind == "specific" and some:
                    spots.set_label(name)
    if task.kind == "regression":
        picture.colorbar(spots, ax=right, shrink=0.7, label="label")
    else:
        right.legend(
            fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.02), handletextpad=0.1
        )
    for ax in (left, right):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return picture
