"""Pooled scores: the clips of all folds together, constants of each fold's own train clips."""

from __future__ import annotations

import numpy as np
import pytest

from semanticmac.core import Task
from semanticmac.eval.folds import FoldScored, pooled_scores
from semanticmac.eval.metrics.scores import find
from semanticmac.run.predictions import Predictions


def fold(truth: list[float], output: list[float], train: list[float]) -> FoldScored:
    outputs = np.full((len(truth), 5, 1), np.nan)
    outputs[:, 0, 0] = output
    ids = tuple(f"{train[0]}-{number}" for number in range(len(truth)))
    predictions = Predictions(
        ids, np.array(truth)[:, None], outputs, np.ones((len(truth), 3), bool)
    )
    return FoldScored(predictions, np.array(train)[:, None], None)


def test_the_error_is_that_of_all_clips_and_a_constant_is_that_of_its_fold():
    folds = [fold([1.0, 2.0], [1.5, 2.0], [0.0, 1.0]), fold([-1.0], [-2.0], [2.0, 3.0])]
    scores = pooled_scores("folder", Task("regression"), folds)
    assert scores.scored == 3
    assert scores["MAE"].value == pytest.approx((0.5 + 0.0 + 1.0) / 3)
    [mean] = [baseline for baseline in scores.baselines if baseline.name == "train mean"]
    # 0.5 for the clips of the first fold, 2.5 for that of the second.
    assert find(mean.metrics, "MAE").value == pytest.approx((0.5 + 1.5 + 3.5) / 3)


def test_thresholds_come_from_the_validation_clips_of_all_folds():
    task = Task("multi-label", ("a", "b"))
    random = np.random.default_rng(0)
    folds = []
    for number in range(2):
        truth = (random.random((12, 2)) > 0.5).astype(float)
        outputs = np.full((12, 5, 2), np.nan)
        outputs[:, 0] = 3 * truth - 1.5 + random.normal(size=(12, 2))
        predictions = Predictions(
            tuple(f"{number}-{clip}" for clip in range(12)), truth, outputs, np.ones((12, 3), bool)
        )
        folds.append(FoldScored(predictions, truth, (truth, outputs[:, 0])))
    scores = pooled_scores("folder", task, folds)
    assert scores.scored == 24 and len(scores.thresholds) > 0
    assert not scores.collapsed
