"""Modalities disagree where they lie far apart, and the pair that is farthest apart is named."""

from __future__ import annotations

import pytest

from semanticmac.core import SUB_TASKS, Dimension, Task
from semanticmac.eval.disagreement import disagreement
from semanticmac.eval.prediction import Prediction


def prediction(task: Task, **outputs: list[float] | None) -> Prediction:
    zero: dict[str, list[float] | None] = {name: [0.0] * task.width for name in SUB_TASKS}
    zero.update(outputs)
    return Prediction("c", task, zero)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"text": [0.7], "audio": [-0.7]}, None),
        ({"text": [0.8], "audio": [-0.8]}, ("text", "audio")),
        ({"text": [0.8], "audio": [-0.8], "vision": [-2.0]}, ("text", "vision")),
        ({"text": [2.0], "audio": None, "vision": None}, None),
    ],
)
def test_scores(outputs, expected) -> None:
    assert disagreement(prediction(Task("regression"), **outputs)) == expected


def test_probabilities() -> None:
    task = Task("single-label", ("joy", "anger"))
    assert disagreement(prediction(task, text=[2.0, 0.0], audio=[0.0, 2.0])) == ("text", "audio")
    assert disagreement(prediction(task, text=[0.5, 0.0], audio=[0.0, 0.5])) is None


def test_each_score_has_its_own_range() -> None:
    scores = (Dimension("valence", 1.0, 5.0), Dimension("arousal", 0.0, 100.0))
    task = Task("regression", dimensions=scores)
    same = {"text": [3.0, 50.0], "vision": [3.0, 50.0]}
    assert disagreement(prediction(task, audio=[3.0, 60.0], **same)) is None
    assert disagreement(prediction(task, audio=[4.5, 50.0], **same)) == ("text", "audio")
