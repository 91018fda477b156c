"""A linear probe: ridge or logistic regression on one vector a clip, chosen within its train clips.

Features are standardised on train. The strength of the penalty is chosen by cross-validation over
groups of the train clips, so that no person or film is on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semanticmac.core import Task
from semanticmac.eval.calibration import fit_temperature, log_losses

# Strengths of the penalty, from weak to strong: alpha of the ridge, 1 / C of the logistic.
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
DEFAULT_STRENGTH = 10.0  # where train has one group, so that nothing can be chosen
FOLDS = 5
SEED = 0
CONSTANT_LOGIT = 10.0  # of a class that all or no train clips have


@dataclass(frozen=True)
class LinearMap:
    """A fitted map from features to outputs."""

    task: Task
    heads: tuple[Any, ...]  # scikit-learn pipelines, or a constant logit or score

    def outputs(self, points: np.ndarray) -> np.ndarray:
        """points (M, E) → scores or logits (M, K)."""
        if self.task.kind == "single-label":
            return _class_logits(self.task, self.heads[0], points)
        columns = []
        for head in self.heads:
            if isinstance(head, float):
                columns.append(np.full(len(points), head))
            elif self.task.kind == "regression":
                columns.append(head.predict(points))
            else:
                columns.append(head.decision_function(points))
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class ChosenProbe:
    """A probe whose penalty was chosen within train."""

    map: LinearMap
    strength: float
    held_out: np.ndarray  # (N, K) outputs for the train clips, each from folds without its group


def fit_linear(task: Task, strength: float, points: np.ndarray, truth: np.ndarray) -> LinearMap:
    """points (N, E), truth (N, K), NaN = a missing score → the map with this penalty."""
    if task.kind == "single-label":
        classes = truth.argmax(axis=1)
        if len(set(classes)) < 2:
            logits = CONSTANT_LOGIT * (2 * truth[0] - 1)
            return LinearMap(task, (logits,))
        return LinearMap(task, (_logistic(strength).fit(points, classes),))
    heads: list[Any] = []
    for target in truth.T:
        if task.kind == "regression":
            known = ~np.isnan(target)
            if known.any():
                head = make_pipeline(StandardScaler(), Ridge(alpha=strength))
                heads.append(head.fit(points[known], target[known]))
            else:
                heads.append(0.0)
        elif len(set(target)) < 2:
            heads.append(float(CONSTANT_LOGIT * (2 * target[0] - 1)))
        else:
            heads.append(_logistic(strength).fit(points, target > 0.5))
    return LinearMap(task, tuple(heads))


def choose_probe(
    task: Task, points: np.ndarray, truth: np.ndarray, groups: Sequence[str]
) -> ChosenProbe:
    """The probe with the least loss on clips of held-out groups, fitted on all of them.

    Of equal losses the strongest penalty is taken.
    """
    folds = min(FOLDS, len(set(groups)))
    if folds < 2:
        fitted = fit_linear(task, DEFAULT_STRENGTH, points, truth)
        return ChosenProbe(fitted, DEFAULT_STRENGTH, fitted.outputs(points))
    splits = list(
        GroupKFold(folds, shuffle=True, random_state=SEED).split(points, groups=np.array(groups))
    )
    best_loss, best_strength, best_outputs = np.inf, DEFAULT_STRENGTH, np.zeros_like(truth)
    for strength in reversed(STRENGTHS):
        outputs = np.empty(truth.shape)
        for train, held_out in splits:
            fitted = fit_linear(task, strength, points[train], truth[train])
            outputs[held_out] = fitted.outputs(points[held_out])
        loss = scaled_loss(task, truth, outputs)
        if loss < best_loss:
            best_loss, best_strength, best_outputs = loss, strength, outputs
    return ChosenProbe(fit_linear(task, best_strength, points, truth), best_strength, best_outputs)


def scaled_loss(task: Task, truth: np.ndarray, outputs: np.ndarray) -> float:
    """Absolute error, or the log loss of the logits at their best temperature.

    A temperature changes no decision. Without it, the log loss asks for the penalty that gives
    cautious probabilities instead of the one that gives right answers.
    """
    if task.kind == "regression":
        return score_error(task, truth, outputs)
    temperature = fit_temperature(task, truth, outputs)
    return float(log_losses(task, truth, outputs / temperature).mean())


def score_error(task: Task, truth: np.ndarray, outputs: np.ndarray) -> float:
    """The mean absolute error of the scores that are annotated, weighted by their ranges."""
    return float(np.nanmean(np.abs(outputs - truth) * task.loss_weights))


def _logistic(strength: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, max_iter=1000))


def _class_logits(task: Task, head: Any, points: np.ndarray) -> np.ndarray:
    """(M, C): a class without a train clip gets a logit below all others."""
    if isinstance(head, np.ndarray):
        return np.broadcast_to(head, (len(points), task.width)).copy()
    decided = head.decision_function(points)
    if decided.ndim == 1:  # scikit-learn gives one column for two classes
        decided = np.stack([-decided, decided], axis=1) / 2
    logits = np.repeat(decided.min(axis=1, keepdims=True) - CONSTANT_LOGIT, task.width, axis=1)
    logits[:, head.classes_] = decided
    return logits
