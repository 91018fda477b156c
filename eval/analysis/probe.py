"""probe: linear maps from frame embeddings to labels, before and after the perceiver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
)
from semanticmac.eval.analysis.represent import FRAME_MODALITIES, Representations, represent
from semanticmac.eval.calibration import log_losses
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.linear_probe import STRENGTHS, fit_linear, score_error
from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.paper import quoted_probe
from semanticmac.eval.stream_probe import acc3

FEATURES = ("cached", "perceived")
DRAWN = (
    "Acc-2 (non-zero)",
    "Acc-2",
    "Accuracy",
    "Acc-3",
    "weighted F1",
    "mean w-F1",
    "mean CCC",
    "mean Corr",
    "mean MAE",
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
    for metric in (*scores.metrics, *acc3(task, truth, prediction)):
        probe_scores.append(ProbeScore(modality, feature, metric.name, metric.value, strength))
    return probe_scores


def fit(task: Task, train: Side, valid: Side, points: np.ndarray) -> tuple[np.ndarray, float]:
    """Features (M, E) → (outputs (M, K), strength of the penalty, chosen on validation)."""
    best_loss, best = np.inf, fit_linear(task, STRENGTHS[0], *train)
    best_strength = STRENGTHS[0]
    for strength in STRENGTHS:
        fitted = fit_linear(task, strength, *train)
        loss = _loss(task, valid[1], fitted.outputs(valid[0]))
        if loss < best_loss:
            best_loss, best_strength, best = loss, strength, fitted
    return best.outputs(points), best_strength


def _side(part: Representations, feature: str, modality: str) -> Side:
    """The annotated clips that have the modality."""
    present = part.present[:, MODALITIES.index(modality)]
    keep = present & ~np.isnan(part.truth).all(axis=1)
    features = part.cached if feature == "cached" else part.perceived
    return features[modality][keep], part.truth[keep]


def _loss(task: Task, truth: np.ndarray, outputs: np.ndarray) -> float:
    """Absolute error, or the log loss."""
    if task.kind == "regression":
        return score_error(task, truth, outputs)
    return float(log_losses(task, truth, outputs).mean())


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
    picture.supxlabel("pale: cached embeddings · full: after the perceiver", fontsize=8)
    return picture


def _draw_metric(ax: Axes, scores: list[ProbeScore]) -> None:
    for row in scores:
        if row.value is None:
            continue
        x = FRAME_MODALITIES.index(row.modality) + 0.38 * FEATURES.index(row.feature) - 0.19
        alpha = 0.4 if row.feature == "cached" else 1.0
        ax.bar(x, row.value, 0.34, color=colour_of(row.modality), alpha=alpha)
