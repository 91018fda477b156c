"""The metrics of each dataset, the baselines beside them, and when a model has collapsed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from semanticmac.core import Task
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import Scores, find, score

MELD = Path(__file__).parents[4] / "shared/data/meld"


SENTIMENT = Task("regression")


EMOTIONS = Task("multi-label", ("happy", "sad", "fear"))


FEELINGS = Task("single-label", ("hap", "sad", "neu"))


SARCASM = Task("binary", ("sincere", "sarcastic"))


MOSI_METRICS = [
    "Acc-2 (non-zero)",
    "F1 (non-zero)",
    "Acc-2 (has-zero)",
    "F1 (has-zero)",
    "Acc-7",
    "Acc-5",
    "MAE",
    "Corr",
]


def column(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)[:, None]


def names(scores: Scores) -> list[str]:
    return [metric.name for metric in scores.metrics]


def one_hot(*classes: int) -> Floats:
    return np.eye(3)[list(classes)]


def emotions(seed: int, size: int = 400) -> tuple[Floats, Floats]:
    """Truth of rates 0.6, 0.3 and 0.1, and logits that know something of it."""
    draw = np.random.default_rng(seed)
    truth = (draw.random((size, 3)) < [0.6, 0.3, 0.1]).astype(np.float64)
    return truth, 2 * truth - 1.5 + draw.normal(size=truth.shape)


@pytest.mark.parametrize(
    ("dataset", "task", "expected"),
    [
        ("mosi", SENTIMENT, MOSI_METRICS),
        ("my-videos", SENTIMENT, [*MOSI_METRICS, "CCC"]),
        (
            "sims",
            Task("regression", low=-1, high=1),
            ["Acc-2", "F1", "Acc-3", "Acc-5", "MAE", "Corr"],
        ),
        ("arousal", Task("regression", low=-1, high=1), [*MOSI_METRICS[:4], "MAE", "Corr", "CCC"]),
        ("stars", Task("regression", low=1, high=5), ["MAE", "Corr", "CCC"]),
    ],
)
def test_regression_rules_follow_the_name_and_the_range(
    dataset: str, task: Task, expected: list[str]
) -> None:
    truth = column(1, 0.5, 0.8) if task.low < 0 else column(1, 2, 5)
    scores = score(dataset, task, truth, truth, train_truth=truth)
    assert names(scores) == expected
    assert scores.main == "MAE" and scores["MAE"].value == 0 and not scores["MAE"].higher_is_better
    assert [baseline.name for baseline in scores.baselines] == ["train mean", "train median"]
    assert scores.classes == () and scores.confusion == ()


def test_sims_clips_before_every_metric() -> None:
    truth, far = column(1.0, -1.0, 0.2), column(3.0, -5.0, 0.2)
    scores = score("simsv2", Task("regression", low=-1, high=1), truth, far, train_truth=truth)
    assert scores["MAE"].value == 0 and scores["Corr"].value == pytest.approx(1)


def test_mosi_does_not_clip_mae() -> None:
    assert (
        score("mosi", SENTIMENT, column(3, 0), column(5, 0), train_truth=column(0))["MAE"].value
        == 1
    )


def test_the_constant_baselines_are_those_of_train() -> None:
    truth, train = column(1.0, -2.0, 0.0, 3.0), column(3.0, 0.0, 0.0, np.nan)
    scores = score("mosi", SENTIMENT, truth, column(1.0, -2.0, 0.5, 2.0), train_truth=train)
    mean, median = scores.baselines
    assert find(mean.metrics, "MAE").value == pytest.approx(np.abs(truth - 1).mean())
    assert find(median.metrics, "MAE").value == pytest.approx(np.abs(truth).mean())
    corr = find(mean.metrics, "Corr")
    assert corr.value is None and corr.note == "Corr is undefined: the predictions are constant"
    assert not scores.collapsed and scores.why_collapsed == ""


def test_a_model_no_better_than_a_constant_has_collapsed() -> None:
    truth, train = column(1.0, -2.0, 0.0, 3.0), column(0.0, 0.0, 3.0)
    worse = score("mosi", SENTIMENT, truth, column(-3.0, 3.0, 3.0, -3.0), train_truth=train)
    assert worse.collapsed
    assert worse.why_collapsed == "its MAE is no better than the constant baseline's (train mean)"
    constant = score("mosi", SENTIMENT, truth, column(0.7, 0.7, 0.7, 0.7), train_truth=train)
    assert constant.collapsed and constant.why_collapsed == "it predicts the same for every clip"
    assert constant["Corr"].value is None


def test_one_class_for_every_clip_has_collapsed_even_where_it_beats_the_majority_of_train() -> None:
    truth = one_hot(1, 1, 1, 0)
    scores = score(
        "meld", FEELINGS, truth, np.tile([0.0, 2.0, 1.0], (4, 1)), train_truth=one_hot(0, 0, 1)
    )
    assert scores.collapsed and scores["Accuracy"].value == 0.75
    assert scores["F1 (neu)"].value is None
    assert "neither true nor predicted" in scores["F1 (neu)"].note


def test_unlabelled_clips_are_left_out_and_counted() -> None:
    truth, prediction = column(1.0, np.nan, -1.0), column(1.0, np.nan, -1.0)
    scores = score("mosi", SENTIMENT, truth, prediction, train_truth=truth)
    assert (scores.scored, scores.unlabelled) == (2, 1) and scores["MAE"].value == 0


def test_iemocap_adds_one_against_rest_figures_and_meld_does_not() -> None:
    truth, logits = one_hot(0, 1, 2, 2), one_hot(0, 2, 2, 2)
    both = score("iemocap", FEELINGS, truth, logits, train_truth=truth)
    assert names(both) == [
        *("Accuracy", "weighted F1", "F1 (hap)", "F1 (sad)", "F1 (neu)"),
        *("s-Acc (hap)", "s-Acc (sad)", "s-Acc (neu)", "mean s-Acc", "mean F1"),
    ]
    assert both["s-Acc (sad)"].value == 0.75 and both["F1 (neu)"].value == pytest.approx(0.8)
    assert both["mean F1"].value == pytest.approx((1 + 0 + 0.8) / 3)
    assert names(score("meld", FEELINGS, truth, logits, train_truth=truth)) == names(both)[:5]
    assert both.confusion == ((1, 0, 0), (0, 0, 1), (0, 0, 2))
    sad, neutral = both.classes[1:]
    assert (sad.support, sad.predicted, sad.precision, sad.recall) == (1, 0, None, 0)
    assert (neutral.support, neutral.predicted, neutral.right) == (2, 3, 2)


@pytest.mark.skipif(not MELD.exists(), reason=f"MELD's label files are not here: {MELD}")
def test_all_neutral_on_the_real_test_labels_of_meld() -> None:
    task = Task(
        "single-label", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
    )
    with (MELD / "test_sent_emo.csv").open(newline="", encoding="utf-8") as file:
        truth = np.array([task.encode(row["Emotion"]) for row in csv.DictReader(file)])
    scores = score("meld", task, truth, np.tile(np.eye(7)[0], (len(truth), 1)), train_truth=truth)
    assert scores.scored == 2610 and scores.collapsed
    assert scores["Accuracy"].value == pytest.approx(0.4812, abs=5e-5)
    assert scores["weighted F1"].value == pytest.approx(0.3127, abs=5e-5)


def test_binary_prints_recall_and_accuracy_and_says_why_they_agree() -> None:
    truth, logits = column(0, 1, 1, 0), column(-1, 2, -0.5, 0.0)
    scores = score("mustard", SARCASM, truth, logits, train_truth=truth)
    assert names(scores) == ["weighted precision", "weighted recall", "Accuracy", "weighted F1"]
    assert scores["weighted recall"].value == scores["Accuracy"].value == 0.75
    assert "weighted recall equals accuracy" in scores["weighted recall"].note
    assert scores.confusion == ((2, 0), (1, 1))


def test_multi_label_thresholds_come_from_validation_and_never_from_the_scored_clips() -> None:
    (truth, logits), valid = emotions(0), emotions(1)
    scores = score("mosei-emotion", EMOTIONS, truth, logits, train_truth=valid[0], valid=valid)
    cuts = {
        (t.goal, t.class_name): np.log(t.probability) - np.log1p(-t.probability)
        for t in scores.thresholds
    }
    for k, name in enumerate(EMOTIONS.classes):
        balanced, weighted = (
            logits[:, k] > cuts["n-Acc", name],
            logits[:, k] > cuts["weighted F1", name],
        )
        assert scores[f"n-Acc ({name})"].value == pytest.approx(
            balanced_accuracy_score(truth[:, k], balanced)
        )
        assert scores[f"F1 ({name})"].value == pytest.approx(f1_score(truth[:, k], balanced))
        assert scores[f"w-F1 ({name})"].value == pytest.approx(
            f1_score(truth[:, k], weighted, average="weighted")
        )
        figures = scores.classes[k]
        assert (
            figures.f1 == pytest.approx(scores[f"F1 ({name})"].value)
            and figures.support == truth[:, k].sum()
        )
    other = score("mosei-emotion", EMOTIONS, 1 - truth, -logits, train_truth=valid[0], valid=valid)
    assert other.thresholds == scores.thresholds
    assert all(threshold.chosen for threshold in scores.thresholds)
    assert scores.main == "mean w-F1" and not scores.collapsed


def test_without_validation_the_threshold_is_a_half_and_a_note_says_so() -> None:
    truth, logits = emotions(0)
    scores = score("mosei-emotion", EMOTIONS, truth, logits, train_truth=truth)
    assert {(t.probability, t.chosen) for t in scores.thresholds} == {(0.5, False)}
    assert scores["n-Acc (sad)"].note.startswith(
        "threshold 0.5 for every class: no validation predictions"
    )


def test_an_emotion_without_positives_is_undefined_and_so_is_its_mean() -> None:
    (truth, logits), valid = emotions(0), emotions(1)
    truth[:, 2] = 0
    logits[:, 2] = -9
    valid[0][:, 1] = 0
    scores = score("mosei-emotion", EMOTIONS, truth, logits, train_truth=valid[0], valid=valid)
    for name in ("n-Acc (fear)", "F1 (fear)", "mean n-Acc", "mean F1"):
        assert scores[name].value is None and f"{name} is undefined" in scores[name].note
    assert scores["mean w-F1"].value is not None
    assert scores["n-Acc (sad)"].note.endswith(
        "0.5 for n-Acc of sad, which validation has nowhere or everywhere"
    )


def test_a_constant_may_choose_its_thresholds_as_well() -> None:
    truth = np.array([[1.0, 0.0, 0.0]] * 6 + [[0.0, 0.0, 1.0]] * 4)
    constant = np.zeros_like(truth)
    scores = score(
        "mosei-emotion", EMOTIONS, truth, constant, train_truth=truth, valid=(truth, constant)
    )
    (baseline,) = scores.baselines
    assert baseline.name == "train prior" and scores.collapsed
    assert find(baseline.metrics, "w-F1 (happy)").value == pytest.approx(0.6 * 0.75)
    assert find(baseline.metrics, "w-F1 (sad)").value == 1


@pytest.mark.parametrize(
    ("truth", "prediction", "train", "message"),
    [
        (
            column(1, 2),
            np.array([1.0, 2.0]),
            column(1),
            r"prediction of this split has shape \(2,\), .* expects \(2, 1\)",
        ),
        (column(np.nan), column(1), column(1), "none of the 1 clips of this split has a label"),
        (column(1), column(1), np.zeros(0), "none of the 0 clips of train has a label"),
        (
            column(1, 2),
            column(1, np.nan),
            column(1),
            "1 of 2 predictions of this split are NaN or infinite",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused(
    truth: Floats, prediction: Floats, train: Floats, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score("mosi", SENTIMENT, truth, prediction, train_truth=train)


def test_an_unknown_metric_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="no metric 'Acc-9' here, only Acc-2"):
        score("mosi", SENTIMENT, column(1, 2), column(1, 2), train_truth=column(1))["Acc-9"]
