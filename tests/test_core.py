"""Tasks: targets of labels, names and ranges of several scores, and their form on disk."""

import json
import math

import pytest
from support.tasks import AFFECT

from semanticmac.core import Dimension, Task


def test_one_score_is_a_task_of_one_dimension() -> None:
    task = Task("regression", low=-1.0, high=1.0)
    assert task.dimensions == (Dimension("score", -1.0, 1.0),)
    assert (task.width, task.names, task.loss_weights) == (1, ("score",), (1.0,))
    assert task == Task("regression", dimensions=(Dimension("score", -1.0, 1.0),))


def test_several_scores_have_names_ranges_and_weights() -> None:
    assert (AFFECT.width, AFFECT.names) == (3, ("valence", "arousal", "effort"))
    assert (AFFECT.low, AFFECT.high) == (-3.0, 100.0)
    assert [dimension.neutral for dimension in AFFECT.dimensions] == [0.0, 3.0, 50.0]
    mean = (6 + 4 + 100) / 3
    assert AFFECT.loss_weights == pytest.approx((mean / 6, mean / 4, mean / 100))


def test_labels_of_several_scores() -> None:
    assert AFFECT.encode((-1.5, 2, 40)) == [-1.5, 2.0, 40.0]
    assert AFFECT.encode(None) is None
    assert AFFECT.encode((None, None, None)) is None
    target = AFFECT.encode((None, 2.0, None))
    assert target is not None and target[1] == 2.0 and math.isnan(target[0])
    # The same object, so that rows compare equal.
    assert target[0] is math.nan


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ((0.0, 5.5, 1.0), r"label 5\.5 of arousal lies outside 1\.0 … 5\.0"),
        ((0.0, math.nan, 1.0), r"label nan of arousal lies outside"),
        ((0.0, 1.0), "has 2 scores, but the task has 3: valence, arousal, effort"),
        (1.0, "has 1 scores, but the task has 3"),
        (("a", "b", "c"), "is not a number, but the task is regression"),
    ],
)
def test_a_label_that_does_not_fit_is_refused_by_name(label: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AFFECT.encode(label)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dimensions": (Dimension("a"), Dimension("a"))}, "names of scores repeat"),
        ({"kind": "binary", "classes": ("a", "b"), "dimensions": (Dimension(),)}, "has no scores"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Task(**{"kind": "regression", **arguments})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label range of mood is empty"):
        Dimension("mood", 2.0, 1.0)


@pytest.mark.parametrize(
    "task", [AFFECT, Task("regression", low=0.0, high=9.0), Task("binary", ("no", "yes"))]
)
def test_a_task_is_the_same_after_json(task: Task) -> None:
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_a_single_score_is_written_as_older_versions_read_it() -> None:
    content = Task("regression").to_dict()
    assert content == {"kind": "regression", "classes": (), "low": -3.0, "high": 3.0}
    named = Task("regression", dimensions=(Dimension("mood", -3.0, 3.0),))
    assert named.to_dict()["dimensions"] == ({"name": "mood", "low": -3.0, "high": 3.0},)
