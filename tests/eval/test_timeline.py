"""A time line is the same after it was written as JSON; other JSON is refused in a sentence."""

from __future__ import annotations

import json

import pytest

from semanticmac.core import SUB_TASKS, Task
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.timeline import Moment, SpokenWord, Timeline, TimelineError

SCORE = Task("regression")
CLASSES = Task("single-label", ("joy", "anger"))


def timeline(task: Task) -> Timeline:
    outputs: dict[str, list[float] | None] = {name: [0.5] * task.width for name in SUB_TASKS}
    outputs["vision"] = None
    bounds = () if task.classes else ((-0.5, 1.5),)
    prediction = Prediction("f#1", task, outputs, ("no video track",), bounds, ("audio",), 1.5)
    words = (SpokenWord("well…", 1.0, 1.4),)
    moments = (
        Moment(1.0, 3.5, "well…", "</script>", words, prediction, b"\xff\xd8jpeg", ("late",)),
        Moment(4.0, 5.0, remarks=("the file is damaged",)),
    )
    return Timeline(
        "talk.mp4", 6.0, task, ("text", "audio"), "demo-001", "demo", moments, ("a remark",)
    )


@pytest.mark.parametrize("task", [SCORE, CLASSES], ids=["score", "classes"])
def test_json_gives_the_same_time_line(task: Task) -> None:
    original = timeline(task)
    text = original.to_json()
    assert text.isascii()
    assert Timeline.from_json(text) == original


def test_json_says_the_prediction_in_words_too() -> None:
    [first, second] = json.loads(timeline(CLASSES).to_json())["moments"]
    assert first["prediction"]["prediction"] == "joy 50%"
    assert first["prediction"]["probabilities"]["multimodal"] == [0.5, 0.5]
    assert second["prediction"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no time line that `predict --timeline` wrote"),
        ("[]", "no time line that `predict --timeline` wrote"),
        ('{"format": "other"}', "expected the format 'semanticmac time line 1'"),
        (timeline(SCORE).to_json().replace('"moments"', '"clips"'), "KeyError: 'moments'"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(TimelineError, match=message):
        Timeline.from_json(text)
