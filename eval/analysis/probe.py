"""probe: how much a linear map can read from the cached embeddings, and from what the perceiver makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semanticmac.core import Task
from semanticmac.eval.analysis.figure import (
    AnalysisError,
    Figure,
    Found,
    Numbers,
    axes,
    colour_of,
    figure,
)
from semanticmac.eval.analysis.represent import FRAMES, Representations, represent
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.rules import Metric
from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.paper import quoted_probe

STRENGTHS = tuple(
    10.0**power for power in range(-2, 5)
)  # of the regularisation; one is chosen on validation
WORDS = (
    "A linear map from the mean of a clip's frames to its label, before and after the perceiver. Its regularisation is "
    "chosen on validation. The perceiver has been trained on these labels, the frozen embeddings have not."
)


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """Fitted on train, chosen on validation, scored on the split; the paper's numbers of MOSEI stand beside it."""
    train, valid, test = (represent(data, data.rows(name)) for name in ("train", "valid", split))
    task, corpus = data.trained.info.task, data.manifest.corpus
    rows: list[tuple[object, ...]] = []
    for place, name in ((1, "audio"), (2, "vision")):
        for feature in ("cached", "perceived"):
            sides = [_side(part, feature, name, place) for part in (train, valid, test)]
            if name not in data.trained.info.model.modalities or any(len(y) == 0 for _, y in sides):
                continue
            said, strength = fit(task, sides[0], sides[1], sides[2][0])
            metrics = score(corpus, task, sides[2][1], said, train_truth=sides[0][1]).metrics
            for metric in (*metrics, *_acc3(task, sides[2][1], said)):
                rows.append((name, feature, metric.name, metric.value, strength, "measured"))
    if not rows:
        raise AnalysisError(
            "probe needs audio or vision in train, valid and the split that is scored"
        )
    quoted = [(*row, None, "quoted, MOSEI") for row in quoted_probe()]
    columns = ("modality", "feature", "metric", "value", "strength", "origin")
    numbers = Numbers(columns, (*rows, *quoted))
    return Found("probe", "Linear probes", WORDS, {"": _draw(rows)}, {"": numbers})


def fit(
    task: Task,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray],
    points: np.ndarray,
) -> tuple[np.ndarray, float]:
    """(features (N, E), truth (N, K)) of train and valid → (raw prediction of `points` (M, K), strength)."""
    tried = []
    for strength in STRENGTHS:
        heads = [_head(task, strength, train[0], column) for column in train[1].T]
        loss = _loss(task, valid[1], _say(task, heads, valid[0]))
        tried.append((loss, strength, heads))
    _, strength, heads = min(tried, key=lambda one: one[0])
    return _say(task, heads, points), strength


def _side(
    of: Representations, feature: str, name: str, place: int
) -> tuple[np.ndarray, np.ndarray]:
    keep = of.present[:, place] & ~np.isnan(of.truth).any(axis=1)
    return getattr(of, feature)[name][keep], of.truth[keep]


def _head(task: Task, strength: float, points: np.ndarray, target: np.ndarray) -> object:
    if task.kind == "regression":
        return make_pipeline(StandardScaler(), Ridge(alpha=strength)).fit(points, target)
    if len(set(target)) < 2:
        return float(20 * target[0] - 10)  # a class that all or none have needs no map
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, max_iter=500)).fit(
        points, target > 0.5
    )


def _say(task: Task, heads: list[object], points: np.ndarray) -> np.ndarray:
    columns = []
    for head in heads:
        if isinstance(head, float):
            columns.append(np.full(len(points), head))
        else:
            read = head.predict if task.kind == "regression" else head.decision_function  # type: ignore[attr-defined]
            columns.append(read(points))
    return np.stack(columns, axis=1)


def _loss(task: Task, truth: np.ndarray, said: np.ndarray) -> float:
    if task.kind == "regression":
        return m.mean_absolute_error(truth, said)
    return float((np.logaddexp(0.0, said) - truth * said).mean())


def _acc3(task: Task, truth: np.ndarray, said: np.ndarray) -> tuple[Metric, ...]:
    """The paper probes MOSEI by Acc-3 too, which is in no other table of it."""
    if (task.kind, task.low, task.high) != ("regression", -3.0, 3.0):
        return ()
    return (Metric("Acc-3", m.rounded_accuracy(truth[:, 0], said[:, 0], 1)),)


def _draw(rows: list[tuple[object, ...]]) -> Figure:
    wanted = (
        "Acc-2 (non-zero)",
        "Acc-2",
        "Accuracy",
        "Acc-3",
        "weighted F1",
        "mean w-F1",
        "MAE",
        "Corr",
    )
    names = [name for name in wanted if any(row[2] == name for row in rows)][:4]
    picture = figure(2.1 * len(names), 2.6)
    for ax, metric in zip(axes(picture, 1, len(names)), names, strict=True):
        for x, modality in enumerate(FRAMES):
            for step, feature in enumerate(("cached", "perceived")):
                value = next((r[3] for r in rows if r[:3] == (modality, feature, metric)), None)
                if isinstance(value, float):
                    alpha = 0.4 if feature == "cached" else 1.0
                    ax.bar(
                        x + 0.38 * step - 0.19, value, 0.34, color=colour_of(modality), alpha=alpha
                    )
        ax.set_title(metric)
        ax.set_xticks(range(2), FRAMES)
        ax.grid(True, axis="y")
    picture.supxlabel("pale: ImageBind embeddings · full: after the perceiver", fontsize=8)
    return picture
