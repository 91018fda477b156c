"""Every metric against scikit-learn, against a loop, and against the field's reference numbers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.scores import score

GOLDEN = Path(__file__).parents[4] / "shared/data/golden/sentiment_metrics.json"
GOLDEN_NAMES = {
    "Has0_acc_2": "Acc-2 (has-zero)",
    "Has0_F1_score": "F1 (has-zero)",
    "Non0_acc_2": "Acc-2 (non-zero)",
    "Non0_F1_score": "F1 (non-zero)",
    "Mult_acc_2": "Acc-2",
    "Mult_acc_3": "Acc-3",
    "Mult_acc_5": "Acc-5",
    "Mult_acc_7": "Acc-7",
    "F1_score": "F1",
    "MAE": "MAE",
    "Corr": "Corr",
}


def column(*values: float) -> m.Floats:
    return np.array(values, dtype=np.float64)[:, None]


class_pairs = st.integers(2, 7).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.integers(1, 60).flatmap(
            lambda size: hnp.arrays(np.int64, (2, size), elements=st.integers(0, n - 1))
        ),
    )
)
score_pairs = st.integers(2, 40).flatmap(
    lambda size: hnp.arrays(np.float64, (2, size), elements=st.floats(-4, 4, allow_subnormal=False))
)


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"the reference numbers are not here: {GOLDEN}")
def test_every_golden_number() -> None:
    cases = json.loads(GOLDEN.read_text())
    for case in cases:
        task = (
            Task("regression", low=-1, high=1) if case["dataset"] == "sims" else Task("regression")
        )
        truth, prediction = column(*case["truth"]), column(*case["prediction"])
        scores = score(case["dataset"], task, truth, prediction, train_truth=truth)
        for name, expected in case["expected"].items():
            value = scores[GOLDEN_NAMES[name]].value
            assert value is not None and round(value, 4) == expected, (
                case["dataset"],
                len(truth),
                name,
            )
    assert {case["dataset"] for case in cases} == {"mosi", "mosei", "sims"}


@settings(max_examples=50, deadline=None)
@given(class_pairs)
def test_class_metrics_equal_scikit_learn(pair: tuple[int, m.Ints]) -> None:
    n, (truth, predicted) = pair
    confusion = m.confusion_matrix(truth, predicted, n)
    labels = list(range(n))
    np.testing.assert_array_equal(
        confusion, reference.confusion_matrix(truth, predicted, labels=labels)
    )
    options = {"average": "weighted", "labels": labels, "zero_division": 0}
    assert m.accuracy(confusion) == pytest.approx(
        reference.accuracy_score(truth, predicted), abs=1e-12
    )
    assert m.weighted_f1(confusion) == pytest.approx(
        reference.f1_score(truth, predicted, **options), abs=1e-12
    )
    precision = reference.precision_score(truth, predicted, **options)
    assert m.weighted_precision(confusion) == pytest.approx(precision, abs=1e-12)
    assert m.weighted_recall(confusion) == pytest.approx(
        reference.recall_score(truth, predicted, **options), abs=1e-12
    )
    each = reference.f1_score(truth, predicted, average=None, labels=labels, zero_division=np.nan)
    assert [np.nan if f1 is None else f1 for f1 in m.class_f1(confusion)] == pytest.approx(
        list(each), nan_ok=True
    )
    rest = [reference.accuracy_score(truth == c, predicted == c) for c in labels]
    assert m.one_against_rest_accuracy(confusion) == pytest.approx(rest, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60).flatmap(lambda size: hnp.arrays(np.bool_, (2, size))))
def test_presence_metrics_equal_scikit_learn_and_are_undefined_without_a_side(
    pair: np.ndarray,
) -> None:
    truth, present = pair
    confusion = m.confusion_matrix(truth, present, 2)
    if truth.all() or not truth.any():
        assert m.balanced_accuracy(confusion) is None
    else:
        expected = reference.balanced_accuracy_score(truth, present)
        assert m.balanced_accuracy(confusion) == pytest.approx(expected, abs=1e-12)
    if truth.any() or present.any():
        assert m.binary_f1(confusion) == pytest.approx(
            reference.f1_score(truth, present, zero_division=0), abs=1e-12
        )
    else:
        assert m.binary_f1(confusion) is None


@given(class_pairs, st.randoms(use_true_random=False))
def test_renaming_the_classes_changes_no_mean(pair: tuple[int, m.Ints], random: object) -> None:
    n, both = pair
    order = np.arange(n)
    random.shuffle(order)  # type: ignore[attr-defined]
    before, after = m.confusion_matrix(*both, n), m.confusion_matrix(*order[both], n)
    for metric in (m.accuracy, m.weighted_f1, m.weighted_precision, m.weighted_recall):
        assert metric(after) == pytest.approx(metric(before), abs=1e-12)
    f1_before, f1_after = m.class_f1(before), m.class_f1(after)
    assert [f1_after[order[c]] for c in range(n)] == list(f1_before)


@given(class_pairs)
def test_a_perfect_prediction_scores_one(pair: tuple[int, m.Ints]) -> None:
    n, (truth, _) = pair
    confusion = m.confusion_matrix(truth, truth, n)
    assert (
        m.accuracy(confusion)
        == m.weighted_precision(confusion)
        == m.weighted_recall(confusion)
        == 1
    )
    assert m.weighted_f1(confusion) == pytest.approx(1, abs=1e-12)
    assert {f1 for f1 in m.class_f1(confusion) if f1 is not None} == {1.0}


@given(score_pairs)
def test_pearson_and_mae_equal_a_loop(pair: m.Floats) -> None:
    truth, prediction = pair
    loop = sum(abs(p - y) for y, p in zip(truth, prediction, strict=True)) / len(truth)
    assert m.mean_absolute_error(truth, prediction) == pytest.approx(loop, abs=1e-12)
    if np.ptp(truth) < 1e-3 or np.ptp(prediction) < 1e-3:
        return  # too narrow for the reference, which loses digits that are kept here
    expected = np.corrcoef(truth, prediction)[0, 1]
    assert m.pearson(truth, prediction) == pytest.approx(expected, abs=1e-6)


def test_pearson_of_a_constant_is_undefined_and_of_a_narrow_one_is_not() -> None:
    truth = np.array([0.5, -1.0, 2.0])
    assert m.pearson(truth, np.full(3, 0.1)) is None
    assert m.pearson(np.full(3, 0.1), truth) is None
    assert m.pearson(truth, 1e-200 * truth) == pytest.approx(1)
    assert m.pearson(truth, -1e100 * truth) == pytest.approx(-1)


def test_pearson_of_the_greatest_and_the_smallest_numbers_is_one() -> None:
    for size in (1e308, 1e-308, 5e-324):
        y = np.array([size, -size, 0.0])
        assert m.pearson(y, 2e-3 * np.sign(y)) == pytest.approx(1.0, abs=1e-12)
        assert m.pearson(np.sign(y), -y) == pytest.approx(-1.0, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, (2, 50), elements=st.floats(-4, 4, width=32)))
def test_single_precision_scores_as_the_same_numbers_in_double(pair: np.ndarray) -> None:
    double = pair.astype(np.float64)
    assert m.mean_absolute_error(*pair) == m.mean_absolute_error(*double)
    assert m.pearson(*pair) == m.pearson(*double)
    goals: tuple[m.ThresholdGoal, ...] = ("n-Acc", "weighted F1")
    for goal in goals:
        threshold = m.choose_threshold(pair[0] > 0, pair[1], goal)
        assert threshold == m.choose_threshold(double[0] > 0, double[1], goal)


@given(score_pairs)
def test_acc_7_and_acc_5_equal_a_loop(pair: m.Floats) -> None:
    truth, prediction = pair
    for limit in (2, 3):
        # Python's round is half to even, like the reference implementation's.
        cells = [[round(min(max(float(v), -limit), limit)) for v in side] for side in pair]
        expected = sum(y == p for y, p in zip(*cells, strict=True)) / len(truth)
        assert m.rounded_accuracy(truth, prediction, limit) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("edge", "cell"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (-2.5, -2), (3.9, 3)]
)
def test_bin_edges_round_half_to_even(edge: float, cell: int) -> None:
    assert m.rounded_accuracy(np.array([float(cell)]), np.array([edge]), 3) == 1
    assert m.rounded_accuracy(np.array([cell + 1.0]), np.array([edge]), 3) == (
        1 if cell == 3 else 0
    )


def test_the_two_zero_rules() -> None:
    truth, prediction = np.array([0.0, 0.0, 1.0, -1.0, -2.0]), np.array([0.0, -0.1, 0.0, 0.0, -1.0])
    assert m.sign_confusion(truth, prediction, "has-zero").tolist() == [[1, 1], [1, 2]]
    assert m.sign_confusion(truth, prediction, "non-zero").tolist() == [[2, 0], [1, 0]]
    assert m.accuracy(m.sign_confusion(np.zeros(2), np.ones(2), "non-zero")) is None


@pytest.mark.parametrize(
    ("value", "two", "three", "five"),
    [
        (-1.0, 0, 0, 0),
        (-0.7, 0, 0, 0),
        (-0.69, 0, 0, 1),
        (-0.1, 0, 0, 1),
        (-0.09, 0, 1, 2),
        (0.0, 0, 1, 2),
        (0.01, 1, 1, 2),
        (0.1, 1, 1, 2),
        (0.11, 1, 2, 3),
        (0.7, 1, 2, 3),
        (0.71, 1, 2, 4),
        (1.0, 1, 2, 4),
    ],
)
@pytest.mark.parametrize("through_float32", [False, True])
def test_intervals_are_open_left_and_closed_right(
    value: float, two: int, three: int, five: int, through_float32: bool
) -> None:
    side = (
        np.array([value], dtype=np.float32).astype(np.float64)
        if through_float32
        else np.array([value])
    )
    for cuts, cell in (((0.0,), two), ((-0.1, 0.1), three), ((-0.7, -0.1, 0.1, 0.7), five)):
        assert m.interval_confusion(side, side, cuts)[cell, cell] == 1


def slow_threshold_score(
    truth: np.ndarray, logit: m.Floats, cut: float, goal: m.ThresholdGoal
) -> float:
    if goal == "n-Acc":
        return float(reference.balanced_accuracy_score(truth, logit > cut))
    return float(reference.f1_score(truth, logit > cut, average="weighted", zero_division=0))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 25).flatmap(
        lambda size: st.tuples(
            hnp.arrays(np.bool_, size), hnp.arrays(np.float64, size, elements=st.integers(-5, 5))
        )
    ),
    st.sampled_from(["n-Acc", "weighted F1"]),
)
def test_no_threshold_beats_the_chosen_one(
    pair: tuple[np.ndarray, m.Floats], goal: m.ThresholdGoal
) -> None:
    truth, logit = pair
    cut = m.choose_threshold(truth, logit, goal)
    if goal == "n-Acc" and (truth.all() or not truth.any()):
        assert cut is None
        return
    assert cut is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = slow_threshold_score(truth, logit, cut, goal)
        best = max(slow_threshold_score(truth, logit, t, goal) for t in np.arange(-5.5, 6))
    assert chosen == pytest.approx(best, abs=1e-12)


def test_the_threshold_stays_natural_where_nothing_is_gained_and_parts_neighbouring_floats() -> (
    None
):
    truth = np.array([False, True])
    assert m.choose_threshold(truth, np.array([-3.0, 4.0]), "n-Acc") == 0
    close = np.array([1.0, np.nextafter(1.0, 2.0)])
    cut = m.choose_threshold(truth, close, "n-Acc")
    assert cut is not None and (close > cut).tolist() == [False, True]


def concordance_loop(truth: m.Floats, prediction: m.Floats) -> float:
    """CCC by sums over clips, as in Lin (1989)."""
    n = len(truth)
    mean_y, mean_p = sum(truth) / n, sum(prediction) / n
    covariance = variance_y = variance_p = 0.0
    for y, p in zip(truth, prediction, strict=True):
        covariance += (y - mean_y) * (p - mean_p) / n
        variance_y += (y - mean_y) ** 2 / n
        variance_p += (p - mean_p) ** 2 / n
    return float(2 * covariance / (variance_y + variance_p + (mean_y - mean_p) ** 2))


@given(score_pairs)
@settings(max_examples=60, deadline=None)
def test_concordance_equals_the_loop(pair: m.Floats) -> None:
    truth, prediction = np.round(pair, 3)
    value = m.concordance(truth, prediction)
    if np.ptp(truth) == 0:
        assert value is None
    elif np.ptp(prediction) == 0:
        assert value == 0
    else:
        assert value == pytest.approx(concordance_loop(truth, prediction), abs=1e-9)


def test_concordance_is_one_only_for_the_truth_itself() -> None:
    truth = np.array([1.0, 2.0, 4.0, 4.5])
    assert m.concordance(truth, truth) == 1
    for other in (truth + 1, 2 * truth, truth[::-1]):
        value = m.concordance(truth, other)
        assert value is not None and value < 1
    # Pearson does not see an offset, CCC does.
    assert m.pearson(truth, truth + 1) == pytest.approx(1)
    assert m.concordance(1e-300 * truth, 1e-300 * truth) == 1
    assert m.concordance(1e300 * truth, 1e300 * truth) == 1
