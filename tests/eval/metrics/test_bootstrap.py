"""Bootstrap intervals against a loop, and how long they take."""

from __future__ import annotations

import time

import numpy as np
import pytest

from semanticmac.core import Task
from semanticmac.eval.metrics.bootstrap import bootstrap
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import Scores, score

SENTIMENT = Task("regression")


EMOTIONS = Task("multi-label", ("happy", "sad", "fear"))


FEELINGS = Task("single-label", ("hap", "sad", "neu"))


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
    ("dataset", "task"), [("mosi", SENTIMENT), ("mosei-emotion", EMOTIONS), ("meld", FEELINGS)]
)
def test_the_bootstrap_equals_a_loop_over_score(dataset: str, task: Task) -> None:
    draw = np.random.default_rng(3)
    truth, logits = emotions(4, 300)
    valid = emotions(5)
    if task is SENTIMENT:
        truth, logits, valid = truth[:, :1], logits[:, :1], (valid[0][:, :1], valid[1][:, :1])
    elif task is FEELINGS:
        truth = one_hot(*draw.integers(3, size=300))
    intervals = bootstrap(dataset, task, truth, logits, valid=valid, resamples=20, seed=7)
    again = np.random.default_rng(7)
    values = []
    for _ in range(20):
        picked = again.integers(300, size=300)
        scores = score(dataset, task, truth[picked], logits[picked], train_truth=truth, valid=valid)
        values.append([metric.value for metric in scores.metrics])
    low, high = np.quantile(np.array(values, dtype=np.float64), [0.025, 0.975], axis=0)
    assert [interval.name for interval in intervals] == names(scores)
    assert [interval.low for interval in intervals] == pytest.approx(low)
    assert [interval.high for interval in intervals] == pytest.approx(high)


def test_an_interval_of_what_is_mostly_undefined_is_undefined() -> None:
    truth = column(0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    intervals = bootstrap("mosi", SENTIMENT, truth, truth + 0.1, resamples=50)
    non_zero = intervals[0]
    assert (
        non_zero.name == "Acc-2 (non-zero)" and non_zero.low is None and 0 < non_zero.undefined < 50
    )


def test_a_thousand_resamples_of_a_large_test_split_take_about_a_second() -> None:
    (truth, logits), valid = emotions(0, 5000), emotions(1)
    started = time.process_time()  # not the wall: other work on the machine is not this function's
    intervals = bootstrap("mosei-emotion", EMOTIONS, truth, logits, valid=valid)
    assert time.process_time() - started < 3  # measured 0.5; the margin is for slow machines
    value = score("mosei-emotion", EMOTIONS, truth, logits, train_truth=truth, valid=valid)[
        "mean w-F1"
    ].value
    last = intervals[-1]
    assert (
        last.low is not None
        and last.high is not None
        and value is not None
        and last.low < value < last.high
    )
