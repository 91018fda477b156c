"""The correction after Holm, and the paired bootstrap over clips and seeds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from semanticmac.core import Task
from semanticmac.eval.leaderboard.significance import (
    SeedPrediction,
    against_best,
    holm,
    ranks,
    resample_means,
    resamples_for,
)

TASK = Task("regression")


def test_holm_is_the_step_down_rule() -> None:
    # By hand: sorted 0.01·4, 0.02·3, 0.03·2, 0.5·1, each at least as great as the one before.
    assert holm([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([0.9]) == pytest.approx([0.9])
    assert holm([]) == []


def predictions(error: float, seeds: int) -> tuple[np.ndarray, list[SeedPrediction]]:
    draw = np.random.default_rng(0)
    truth = draw.normal(size=(80, 1))
    made = [SeedPrediction(truth + error * draw.normal(size=truth.shape)) for _ in range(seeds)]
    return truth, made


def test_a_resample_has_the_same_clips_for_all_models_and_the_mean_over_seeds() -> None:
    truth, good = predictions(0.3, 2)
    means = resample_means("mosi", TASK, truth, {"a": good, "b": good[:1]}, "MAE", resamples=20)
    draw = np.random.default_rng(0)
    for number in range(20):
        picked = draw.integers(len(truth), size=len(truth))
        errors = [np.abs(each.prediction - truth)[picked].mean() for each in good]
        assert means["a"][number] == pytest.approx(np.mean(errors))
        assert means["b"][number] == pytest.approx(errors[0])


def test_a_clearly_worse_model_has_a_small_p_and_an_equal_one_has_none() -> None:
    truth, good = predictions(0.3, 2)
    worse = [SeedPrediction(truth + 4 * (each.prediction - truth)) for each in good]
    models = {"best": good, "same": good, "worse": worse}
    means = resample_means("mosi", TASK, truth, models, "MAE", resamples=200)
    scores = {}
    for name, seeds in models.items():
        scores[name] = float(np.mean([np.abs(each.prediction - truth).mean() for each in seeds]))
    against = against_best(means, scores, "best")
    assert set(against) == {"same", "worse"}
    assert against["same"].p == 1.0 and against["same"].difference == 0.0
    assert against["worse"].p == pytest.approx(2 / 201)
    assert against["worse"].p_holm == pytest.approx(4 / 201)
    low, high = against["worse"].low, against["worse"].high
    assert low is not None and high is not None and 0 < low < against["worse"].difference < high


@pytest.mark.parametrize("rows", [2, 13, 27, 54])
def test_in_a_table_of_any_length_a_clearly_worse_row_is_significant(rows: int) -> None:
    resamples = resamples_for(rows - 1)
    worse = {f"model {number}": np.ones(resamples) for number in range(rows - 1)}
    means = {"best": np.zeros(resamples), **worse}
    scores = {name: float(values.mean()) for name, values in means.items()}
    against = against_best(means, scores, "best")
    assert all(row.p_holm < 0.05 for row in against.values())
    assert resamples >= 1000


def test_equal_scores_share_a_rank() -> None:
    scores = {"a": 0.1 + 0.2, "b": 0.5, "c": 0.3, "d": 0.2}
    assert ranks(scores, True) == {"b": 1, "a": 2, "c": 2, "d": 4}
    assert ranks(scores, False) == {"d": 1, "a": 2, "c": 2, "b": 4}
    assert ranks({}, True) == {}


def test_classes_are_resampled_as_by_a_loop_over_clips() -> None:
    task = Task("single-label", ("low", "middle", "high"))
    draw = np.random.default_rng(1)
    truth = np.eye(3)[draw.integers(3, size=40)]
    logits = {}
    for name, signal, seeds in (("good", 2.0, 2), ("bad", 0.5, 3)):
        logits[name] = [signal * truth + draw.normal(size=truth.shape) for _ in range(seeds)]
    models = {name: [SeedPrediction(each) for each in every] for name, every in logits.items()}
    means = resample_means("meld", task, truth, models, "weighted F1", resamples=60)

    def slow(name: str, clips: list[int]) -> float:
        scores = []
        for each in logits[name]:
            right = [int(truth[clip].argmax()) for clip in clips]
            predicted = [int(each[clip].argmax()) for clip in clips]
            scores.append(f1_score(right, predicted, average="weighted", zero_division=0))
        return sum(scores) / len(scores)

    everything = list(range(40))
    scores = {name: slow(name, everything) for name in logits}
    again = np.random.default_rng(0)
    other_sign = 0
    for number in range(60):
        clips = [int(clip) for clip in again.integers(40, size=40)]
        good, bad = slow("good", clips), slow("bad", clips)
        assert (means["good"][number], means["bad"][number]) == pytest.approx((good, bad))
        other_sign += bad - good >= 0
    against = against_best(means, scores, "good")["bad"]
    assert against.difference == pytest.approx(scores["bad"] - scores["good"])
    assert against.p == against.p_holm == pytest.approx(2 * (other_sign + 1) / 61)
