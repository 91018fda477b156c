"""probe: linear maps from frame embeddings to labels, before and after the perceiver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semanticmac.core import MODALITIES, Task
from semanticmac.eval.analysis.figure import (
    AnalysisError,
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    colour_of,
    figure,
)
from semanticmac.eval.analysis.represent import FRAME_MODALITIES, Representations, represent
from semanticmac.eval.calibration import binary_log_losses
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.paper import quoted_probe
from semanticmac.run.metric import Metric

# Strengths of the regularisation; one is chosen on validation.
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
FEATURES = ("cached", "perceived")
DRAWN = (
    "Acc-2 (non-zero)",
    "Acc-2",
    "Accuracy",
    "Acc-3",
    "weighted F1",
    "mean w-F1",
    "MAE",
    "Corr",
)
MOST_PANELS = 4
COLUMNS = ("modality", "feature", "metric", "value", "strength", "origin")
EXPLANATION = (
    "A linear map from the mean of a clip's frames to its label, before and after the perceiver. "
    "Its regularisation is chosen on validation. The perceiver was trained on these labels, the "
    "frozen embeddings were not."
)

Side = tuple[np.ndarray, np.ndarray]  # features (N, E), truth (N, K)


@dataclass(frozen=True)
class ProbeScore:
    """One metric of one probe."""

    modality: str
    feature: str
    metric: str
    value: float | None
    strength: float


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """Fitted on train, chosen on validation, scored on the split.

    The table has the paper's numbers on MOSEI too.
    """
    parts = [represent(data, data.rows(name)) for name in ("train", "valid", split)]
    scores: list[ProbeScore] = []
    for name in FRAME_MODALITIES:
        if name not in data.trained.info.model.modalities:
            continue
        for feature in FEATURES:
            train, valid, test = [_side(part, feature, name) for part in parts]
            if len(train[1]) and len(valid[1]) and len(test[1]):
                scores += _score_probe(data, name, feature, train, valid, test)
    if not scores:
        raise AnalysisError(
            "probe needs audio or vision in train, valid and the split that is scored"
        )
    rows: list[tuple[object, ...]] = []
    for probe_score in scores:
        rows.append((*vars(probe_score).values(), "measured"))
    for quoted in quoted_probe():
        rows.append((*quoted, None, "quoted, MOSEI"))
    table = NumberTable(COLUMNS, tuple(rows))
    return AnalysisResult("probe", "Linear probes", EXPLANATION, {"": _draw(scores)}, {"": table})


def _score_probe(
    data: EvalData, modality: str, feature: str, train: Side, valid: Side, test: Side
) -> list[ProbeScore]:
    task, truth = data.trained.info.task, test[1]
    prediction, strength = fit(task, train, valid, test[0])
    scores = score(data.manifest.corpus, task, truth, prediction, train_truth=train[1])
    probe_scores = []
    for metric in (*scores.metrics, *_acc3(task, truth, prediction)):
        probe_scores.append(ProbeScore(modality, feature, metric.name, metric.value, strength))
    return probe_scores


def fit(task: Task, train: Side, valid: Side, points: np.ndarray) -> tuple[np.ndarray, float]:
    """Features (M, E) → (outputs (M, K), strength of the regularisation)."""
    best_loss, best_strength, best_heads = np.inf, STRENGTHS[0], []
    for strength in STRENGTHS:
        heads = [_fit_head(task, strength, train[0], column) for column in train[1].T]
        loss = _loss(task, valid[1], _outputs(task, heads, valid[0]))
        if loss < best_loss:
            best_loss, best_strength, best_heads = loss, strength, heads
    return _outputs(task, best_heads, points), best_strength


def _side(part: Representations, feature: str, modality: str) -> Side:
    """The annotated clips that have the modality."""
    present = part.present[:, MODALITIES.index(modality)]
    keep = present & ~np.isnan(part.truth).any(axis=1)
    features = part.cached if feature == "cached" else part.perceived
    return features[modality][keep], part.truth[keep]


def _fit_head(task: Task, strength: float, points: np.ndarray, target: np.ndarray) -> Any:
    """A fitted scikit-learn pipeline, or a constant logit for a class that all or no clips have."""
    if task.kind == "regression":
        return make_pipeline(StandardScaler(), Ridge(alpha=strength)).fit(points, target)
    if len(set(target)) < 2:
        return float(20 * target[0] - 10)
    head = LogisticRegression(C=1 / strength, max_iter=500)
    return make_pipeline(StandardScaler(), head).fit(points, target > 0.5)


def _outputs(task: Task, heads: list[Any], points: np.ndarray) -> np.ndarray:
    """Scores or logits (M, K) of the points (M, E)."""
    columns = []
    for head in heads:
        if isinstance(head, float):
            columns.append(np.full(len(points), head))
        elif task.kind == "regression":
            columns.append(head.predict(points))
        else:
            columns.append(head.decision_function(points))
    return np.stack(columns, axis=1)


def _loss(task: Task, truth: np.ndarray, outputs: np.ndarray) -> float:
    """Absolute error, or the log loss of one class against the rest."""
    if task.kind == "regression":
        return m.mean_absolute_error(truth, outputs)
    return float(binary_log_losses(truth, outputs).mean())


def _acc3(task: Task, truth: np.ndarray, prediction: np.ndarray) -> tuple[Metric, ...]:
    """Acc-3, which the paper prints for probes only."""
    if (task.kind, task.low, task.high) != ("regression", -3.0, 3.0):
        return ()
    value = m.rounded_accuracy(truth[:, 0], prediction[:, 0], 1)
    return (Metric("Acc-3", value, paper_keys=("acc3",)),)


def _draw(scores: list[ProbeScore]) -> Figure:
    scores_of: dict[str, list[ProbeScore]] = {}
    for row in scores:
        scores_of.setdefault(row.metric, []).append(row)
    names = [name for name in DRAWN if name in scores_of][:MOST_PANELS]
    picture = figure(2.1 * len(names), 2.6)
    for ax, name in zip(axes(picture, 1, len(names)), names, strict=True):
        _draw_metric(ax, scores_of[name])
        ax.set_title(name)
        ax.set_xticks(range(2), FRAME_MODALITIES)
        ax.grid(True, axis="y")
    picture.supxlabel("pale: ImageBind embeddings · full: after the perceiver", fontsize=8)
    return picture


def _draw_metric(ax: Axes, scores: list[ProbeScore]) -> None:
    for row in scores:
        if row.value is None:
            continue
        x = FRAME_MODALITIES.index(row.modality) + 0.38 * FEATURES.index(row.feature) - 0.19
        alpha = 0.4 if row.feature == "cached" else 1.0
        ax.bar(x, row.value, 0.34, color=colour_of(row.modality), alpha=alpha)
