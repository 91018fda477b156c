"""The drawings of a time line: where curves run, where they break, what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semanticmac.core import SUB_TASKS, Dimension, Task
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.timeline_charts import charts
from semanticmac.eval.timeline import Moment, Timeline

SCORE = Task("regression")


def moment(start_s: float, task: Task, value: float | None, speaker: str = "") -> Moment:
    """A moment of one second; value: of every score or logit; None: no prediction."""
    prediction = None
    if value is not None:
        outputs: dict[str, list[float] | None] = {name: [value] * task.width for name in SUB_TASKS}
        outputs["vision"] = None
        bounds = ((value - 1, value + 1),) * len(task.dimensions)
        prediction = Prediction("c", task, outputs, intervals=bounds)
    return Moment(start_s, start_s + 1, None, speaker or None, (), prediction)


def timeline(task: Task, *moments: Moment) -> Timeline:
    return Timeline("f.mp4", 10.0, task, ("text", "audio"), "run", "demo", moments)


def test_a_curve_joins_near_utterances_and_breaks_at_pauses_and_failures() -> None:
    moments = [moment(0, SCORE, 3.0), moment(2, SCORE, 0.0), moment(8, SCORE, -3.0)]
    [chart] = charts(timeline(SCORE, *moments))
    multimodal, *alone = chart.curves
    assert multimodal.path == "M0.00 0.00H100.00L200.00 50.00H300.00M800.00 100.00H900.00"
    assert [curve.name for curve in alone] == ["text alone", "audio alone", "vision alone"]
    assert alone[2].path == ""
    assert chart.band.startswith("M0.00 16.67V-16.67H100.00V16.67Z")
    assert "lowest −3.00 at 0:08, highest +3.00 at 0:00" in chart.description

    failed = [moment(0, SCORE, 3.0), moment(1.5, SCORE, None), moment(3, SCORE, 3.0)]
    [chart] = charts(timeline(SCORE, *failed))
    assert chart.curves[0].path.count("M") == 2
    assert [box.css_class for box in chart.boxes] == ["failed"]


def test_scores_that_are_not_numbers_leave_a_gap() -> None:
    [chart] = charts(timeline(SCORE, moment(0, SCORE, float("nan"))))
    assert chart.curves[0].path == "" and "no utterance has a prediction" in chart.description


def test_each_of_several_scores_has_a_chart() -> None:
    task = Task("regression", dimensions=(Dimension("valence", 1, 5), Dimension("arousal", 1, 5)))
    drawn = charts(timeline(task, moment(0, task, 3.0)))
    assert [chart.title for chart in drawn] == ["valence", "arousal"]
    assert drawn[1].curves[0].path == "M0.00 50.00H100.00"
    assert [label for _, label in drawn[0].ticks] == ["5.0", "3.0", "1.0"]


@pytest.mark.parametrize("kind", ["single-label", "binary"])
def test_probabilities_of_classes_are_stacked(kind) -> None:
    task = Task(kind, ("no", "yes"))
    stacked, *strips = charts(timeline(task, moment(0, task, 0.0, "Ann")))
    assert [(box.y, box.height) for box in stacked.boxes] == [(50.0, 50.0), (0.0, 50.0)]
    names = [strip.title for strip in strips]
    assert names == ["text alone", "audio alone", "vision alone", "speaker"]
    assert strips[0].boxes[0].opacity == 0.5 and strips[2].boxes == ()


def test_each_of_several_labels_has_a_strip() -> None:
    task = Task("multi-label", ("loud", "bright"))
    drawn = charts(timeline(task, moment(0, task, 0.0)))
    assert [chart.title for chart in drawn] == ["loud", "bright"]
    assert all(chart.is_strip for chart in drawn)


def test_many_utterances_have_a_running_mean() -> None:
    moments = [moment(number * 2.0, SCORE, (-1) ** number * 1.0) for number in range(200)]
    moments += [moment(600 + number * 2.0, SCORE, 3.0) for number in range(20)]
    crowded = replace(timeline(SCORE, *moments), seconds=640.0)
    [chart] = charts(crowded)
    mean = chart.curves[1]
    assert (mean.name, mean.css_class) == ("mean over 1:00", "mean")
    # Ones of both signs cancel; a pause of three minutes breaks the curve.
    first, second = mean.path.split("M")[1:]
    heights = [float(point.split()[1]) for point in first.split("L")]
    assert max(abs(height - 50) for height in heights) < 5
    assert second.endswith("1000.00 0.00")
    few = replace(crowded, moments=crowded.moments[:100])
    assert [curve.css_class for curve in charts(few)[0].curves][:2] == ["multimodal", "text"]
