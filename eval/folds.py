"""Scores over folds: all clips together, each predicted by the model that never saw its speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics.rules import rule_set
from semanticmac.eval.metrics.scores import (
    Baseline,
    Pair,
    Scores,
    constants,
    labelled,
    labelled_valid,
    score,
    why_collapsed,
)
from semanticmac.run.predictions import Predictions


@dataclass(frozen=True)
class FoldScored:
    """One fold: predictions of its test clips, and what its constants come from."""

    predictions: Predictions
    train_truth: np.ndarray  # (M, K) labels of its train clips
    valid: Pair | None  # of its validation clips, for tasks that choose thresholds there


def pooled_scores(corpus: str, task: Task, folds: Sequence[FoldScored]) -> Scores:
    """Scores of the test clips of all folds together.

    A constant baseline predicts the constant of each fold's own train clips. Thresholds, where a
    task has them, are chosen on the validation clips of all folds.
    """
    truth = np.concatenate([fold.predictions.truth for fold in folds])
    prediction = np.concatenate([fold.predictions.multimodal for fold in folds])
    valid = _pooled_valid(folds)
    scores = score(corpus, task, truth, prediction, train_truth=folds[0].train_truth, valid=valid)
    baselines = []
    for number, baseline in enumerate(scores.baselines):
        guesses, valid_guesses = [], []
        for fold in folds:
            _, constant = constants(task, fold.train_truth)[number]
            guesses.append(np.broadcast_to(constant, fold.predictions.truth.shape))
            if fold.valid is not None:
                valid_guesses.append(np.broadcast_to(constant, fold.valid[0].shape))
        constant_valid = None
        if valid is not None:
            constant_valid = labelled_valid(task, (valid[0], np.concatenate(valid_guesses)))
        rules = rule_set(corpus, task, constant_valid)
        pair = labelled(task, truth, np.concatenate(guesses), "these folds")
        baselines.append(Baseline(baseline.name, rules.measure(*pair)))
    rules = rule_set(corpus, task, labelled_valid(task, valid))
    _, predicted = labelled(task, truth, prediction, "these folds")
    why = why_collapsed(rules, scores.metrics, baselines, predicted)
    return replace(scores, baselines=tuple(baselines), collapsed=bool(why), why_collapsed=why)


def _pooled_valid(folds: Sequence[FoldScored]) -> Pair | None:
    truths, predictions = [], []
    for fold in folds:
        if fold.valid is None:
            return None
        truths.append(fold.valid[0])
        predictions.append(fold.valid[1])
    return np.concatenate(truths), np.concatenate(predictions)
