"""Several scores: each is measured on the clips that have it, and judged by the mean CCC."""

from __future__ import annotations

import numpy as np
import pytest
from support.tasks import AFFECT

from semanticmac.core import Dimension, Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.bootstrap import bootstrap
from semanticmac.eval.metrics.paired import paired_bootstrap
from semanticmac.eval.metrics.scores import score

SIZES = np.array([1.0, 1.0, 20.0])
CENTRES = np.array([0.0, 3.0, 50.0])


def draw(seed: int = 0, clips: int = 60) -> tuple[m.Floats, m.Floats]:
    """Truth of three scores with gaps, and predictions that know something of it."""
    random = np.random.default_rng(seed)
    truth = CENTRES + SIZES * random.uniform(-1, 1, (clips, 3))
    prediction = truth + 0.5 * SIZES * random.normal(size=truth.shape)
    truth[random.random(truth.shape) < 0.2] = np.nan
    return truth, prediction


def test_each_score_is_measured_where_it_is_annotated() -> None:
    truth, prediction = draw()
    scores = score("own", AFFECT, truth, prediction, train_truth=truth)
    cccs = []
    for k, name in enumerate(AFFECT.names):
        known = ~np.isnan(truth[:, k])
        y, p = truth[known, k], prediction[known, k]
        assert scores[f"CCC ({name})"].value == m.concordance(y, p)
        assert scores[f"Corr ({name})"].value == m.pearson(y, p)
        assert scores[f"MAE ({name})"].value == m.mean_absolute_error(y, p)
        cccs.append(m.concordance(y, p))
    assert scores.main == "mean CCC" and scores["mean CCC"].value == pytest.approx(np.mean(cccs))
    assert not scores.collapsed and scores.classes == ()
    assert scores.unlabelled == int(np.isnan(truth).all(axis=1).sum())


def test_mae_has_a_mean_only_in_one_unit() -> None:
    truth, prediction = draw()
    mixed = score("own", AFFECT, truth, prediction, train_truth=truth)
    assert "mean MAE" not in [metric.name for metric in mixed.metrics]
    equal = Task("regression", dimensions=(Dimension("a", 0, 4), Dimension("b", 1, 5)))
    scores = score("own", equal, truth[:, :2], prediction[:, :2], train_truth=truth[:, :2])
    parts = [scores["MAE (a)"].value, scores["MAE (b)"].value]
    assert scores["mean MAE"].value == pytest.approx(np.mean(parts))  # type: ignore[arg-type]
    assert scores["mean MAE"].unit == "number" and not scores["mean MAE"].higher_is_better
    assert [metric.name for metric in scores.metrics if metric.headline] == [
        "mean CCC",
        "mean Corr",
        "mean MAE",
    ]


def test_a_constant_baseline_has_a_ccc_of_0_and_a_model_like_it_collapsed() -> None:
    truth, prediction = draw()
    scores = score("own", AFFECT, truth, prediction, train_truth=truth)
    mean, median = scores.baselines
    assert [mean.name, median.name] == ["train mean", "train median"]
    assert mean.metrics[0].value == 0 and mean.metrics[1].value is None
    constant = np.broadcast_to(CENTRES, truth.shape)
    lazy = score("own", AFFECT, truth, constant, train_truth=truth)
    assert lazy.why_collapsed == "it predicts the same for every clip"


def test_a_score_that_no_clip_has_is_undefined_and_said() -> None:
    truth, prediction = draw()
    truth[:, 1] = np.nan
    train = draw(1)[0]
    scores = score("own", AFFECT, truth, prediction, train_truth=train)
    missing = scores["CCC (arousal)"]
    assert missing.value is None
    assert missing.note == (
        "CCC (arousal) is undefined: its labels are constant, or no clip has one"
    )
    assert scores["mean CCC"].value is None


def test_intervals_and_paired_differences_know_every_score() -> None:
    truth, prediction = draw()
    intervals = bootstrap("own", AFFECT, truth, prediction, resamples=50)
    scores = score("own", AFFECT, truth, prediction, train_truth=truth)
    assert [interval.name for interval in intervals] == [metric.name for metric in scores.metrics]
    for interval, metric in zip(intervals, scores.metrics, strict=True):
        assert interval.low is not None and interval.high is not None and metric.value is not None
        assert interval.low <= metric.value <= interval.high

    worse = prediction + SIZES * np.random.default_rng(3).normal(size=truth.shape)
    differences = paired_bootstrap("own", AFFECT, truth, worse, prediction, resamples=100)
    by_name = {difference.name: difference for difference in differences}
    assert by_name["mean CCC"].real and (by_name["mean CCC"].difference or 0) > 0
    assert by_name["MAE (effort)"].real and (by_name["MAE (effort)"].difference or 0) < 0
