"""The charts of a time line: scores, probabilities of classes, speakers, failures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from semanticmac.core import MODALITIES, Dimension
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.formatting import score_text
from semanticmac.eval.report.timeline_shapes import (
    HEIGHT,
    Box,
    Chart,
    Curve,
    box_over,
    clock,
    colour_class,
    x_at,
    y_at,
)
from semanticmac.eval.timeline import Moment, Timeline

JOIN_S = 4.0  # a curve is drawn through a pause that is no longer than this
HEADS = ("multimodal", *MODALITIES)
DENSE = 120  # utterances; with more of them the page shows a running mean too
WINDOWS_S = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0)


def heads_of(timeline: Timeline) -> list[str]:
    """Multimodal, and every modality that the model predicts alone for some utterance."""
    predicted: set[str] = set()
    for moment in timeline.moments:
        if moment.prediction is not None:
            predicted |= moment.prediction.outputs.keys()
    return [head for head in HEADS if head in predicted]


def charts(timeline: Timeline) -> list[Chart]:
    """All charts of a time line, from top to bottom."""
    drawn: list[Chart] = []
    if timeline.task.kind == "regression":
        for index, dimension in enumerate(timeline.task.dimensions):
            drawn.append(_score_chart(timeline, index, dimension))
    elif timeline.task.kind == "multi-label":
        for index, name in enumerate(timeline.task.classes):
            drawn.append(_probability_strip(timeline, index, name))
    else:
        drawn.append(_stacked_chart(timeline))
        for head in heads_of(timeline)[1:]:
            drawn.append(_class_strip(timeline, head))
    speakers = speakers_of(timeline)
    if speakers:
        drawn.append(_speaker_strip(timeline, speakers))
    return drawn


def speakers_of(timeline: Timeline) -> list[str]:
    """The speakers in the order of their first utterance."""
    speakers: dict[str, None] = {}
    for moment in timeline.moments:
        if moment.speaker:
            speakers[moment.speaker] = None
    return list(speakers)


def bounds_of(prediction: Prediction | None, index: int) -> tuple[float, float] | None:
    """The interval of one score."""
    if prediction is None or not prediction.intervals:
        return None
    return prediction.intervals[index]


def _score_chart(timeline: Timeline, index: int, dimension: Dimension) -> Chart:
    curves: list[Curve] = []
    for head in heads_of(timeline):
        values = [_score(moment, head, index, dimension) for moment in timeline.moments]
        name = head if head == "multimodal" else f"{head} alone"
        curves.append(Curve(name, head, _line(timeline, values, dimension)))
        if head == "multimodal" and is_dense(timeline):
            window_s = _window_s(timeline)
            path = _mean_line(timeline, values, dimension, window_s)
            curves.append(Curve(f"mean over {clock(window_s)}", "mean", path))
    ticks: list[tuple[float, str]] = []
    for value in (dimension.high, dimension.neutral, dimension.low):
        ticks.append((y_at(value, dimension), score_text(value, dimension, 1)))
    title = "score" if len(timeline.task.dimensions) == 1 else dimension.name
    return Chart(
        title,
        _describe_scores(timeline, index, dimension, title),
        tuple(curves),
        _band(timeline, index, dimension),
        tuple(_failure_boxes(timeline)),
        tuple(ticks),
    )


def _score(moment: Moment, head: str, index: int, dimension: Dimension) -> float | None:
    if moment.prediction is None:
        return None
    output = moment.prediction.outputs.get(head)
    if output is None or output[index] != output[index]:  # NaN of a model that broke down
        return None
    return min(max(output[index], dimension.low), dimension.high)


def _line(timeline: Timeline, values: Sequence[float | None], dimension: Dimension) -> str:
    """A level line over each utterance, joined with the next one unless the pause is long."""
    path: list[str] = []
    last_s: float | None = None
    for moment, value in zip(timeline.moments, values, strict=True):
        if value is None:
            last_s = None
            continue
        joined = last_s is not None and moment.start_s - last_s <= JOIN_S
        start = "L" if joined else "M"
        y = y_at(value, dimension)
        path.append(f"{start}{x_at(timeline, moment.start_s):.2f} {y:.2f}")
        path.append(f"H{x_at(timeline, moment.end_s):.2f}")
        last_s = moment.end_s
    return "".join(path)


def is_dense(timeline: Timeline) -> bool:
    """Whether there are so many utterances that single ones can hardly be seen."""
    return len(timeline.moments) > DENSE


def _window_s(timeline: Timeline) -> float:
    """A round length of about a twentieth of the recording."""
    return next((length for length in WINDOWS_S if length >= timeline.seconds / 20), WINDOWS_S[-1])


def _mean_line(
    timeline: Timeline, values: Sequence[float | None], dimension: Dimension, window_s: float
) -> str:
    """The mean of the utterances around each time, weighted by their length.

    An utterance counts where its middle lies in the window.
    """
    path: list[str] = []
    start = "M"
    step_s = window_s / 4
    for number in range(math.ceil(timeline.seconds / step_s) + 1):
        at_s = min(number * step_s, timeline.seconds)
        total = weight = 0.0
        for moment, value in zip(timeline.moments, values, strict=True):
            middle_s = (moment.start_s + moment.end_s) / 2
            if value is not None and abs(middle_s - at_s) <= window_s / 2:
                length_s = moment.end_s - moment.start_s
                total, weight = total + value * length_s, weight + length_s
        if not weight:
            start = "M"
            continue
        y = y_at(total / weight, dimension)
        path.append(f"{start}{x_at(timeline, at_s):.2f} {y:.2f}")
        start = "L"
    return "".join(path)


def _band(timeline: Timeline, index: int, dimension: Dimension) -> str:
    """One closed box for each utterance with an interval."""
    path: list[str] = []
    for moment in timeline.moments:
        bounds = bounds_of(moment.prediction, index)
        if bounds is None:
            continue
        left, right = x_at(timeline, moment.start_s), x_at(timeline, moment.end_s)
        low, high = y_at(bounds[0], dimension), y_at(bounds[1], dimension)
        path.append(f"M{left:.2f} {low:.2f}V{high:.2f}H{right:.2f}V{low:.2f}Z")
    return "".join(path)


def _describe_scores(timeline: Timeline, index: int, dimension: Dimension, title: str) -> str:
    scored: list[tuple[float, float]] = []
    for moment in timeline.moments:
        value = _score(moment, "multimodal", index, dimension)
        if value is not None:
            scored.append((value, moment.start_s))
    if not scored:
        return f"{title} over time: no utterance has a prediction."
    (lowest, lowest_s), (highest, highest_s) = min(scored), max(scored)
    return (
        f"{title} over time, multimodal: "
        f"lowest {score_text(lowest, dimension)} at {clock(lowest_s)}, "
        f"highest {score_text(highest, dimension)} at {clock(highest_s)}. "
        "The transcript below has every value."
    )


def _probabilities(moment: Moment, head: str) -> list[float] | None:
    if moment.prediction is None:
        return None
    probabilities = moment.prediction.probabilities.get(head)
    if probabilities is None or any(share != share for share in probabilities):
        return None
    return probabilities


def _stacked_chart(timeline: Timeline) -> Chart:
    """The probabilities of all classes, one above the other, for each utterance."""
    boxes: list[Box] = []
    for moment in timeline.moments:
        probabilities = _probabilities(moment, "multimodal")
        if probabilities is None:
            continue
        bottom = HEIGHT
        for index, share in enumerate(probabilities):
            height = share * HEIGHT
            bottom -= height
            boxes.append(box_over(timeline, moment, colour_class(index), max(bottom, 0.0), height))
    boxes += _failure_boxes(timeline)
    names = ", ".join(timeline.task.classes)
    description = (
        f"Probabilities of {names} over time, stacked. The transcript below has every value."
    )
    ticks = ((0.0, "100 %"), (50.0, "50 %"), (100.0, "0 %"))
    return Chart("multimodal", description, boxes=tuple(boxes), ticks=ticks)


def _class_strip(timeline: Timeline, head: str) -> Chart:
    """The class with the greatest probability; paler where it is less certain."""
    boxes: list[Box] = []
    for moment in timeline.moments:
        probabilities = _probabilities(moment, head)
        if probabilities is not None:
            top = max(range(len(probabilities)), key=probabilities.__getitem__)
            boxes.append(box_over(timeline, moment, colour_class(top), opacity=probabilities[top]))
    description = f"The most probable class by {head} alone, over time."
    return Chart(f"{head} alone", description, boxes=tuple(boxes), is_strip=True)


def _probability_strip(timeline: Timeline, index: int, name: str) -> Chart:
    """The probability of one class as the opacity of its colour."""
    boxes: list[Box] = []
    for moment in timeline.moments:
        probabilities = _probabilities(moment, "multimodal")
        if probabilities is not None:
            share = probabilities[index]
            boxes.append(box_over(timeline, moment, colour_class(index), opacity=share))
    description = f"The probability of {name} over time, darker where it is greater."
    return Chart(name, description, boxes=tuple(boxes), is_strip=True)


def _speaker_strip(timeline: Timeline, speakers: Sequence[str]) -> Chart:
    boxes: list[Box] = []
    for moment in timeline.moments:
        if moment.speaker:
            colour = colour_class(speakers.index(moment.speaker))
            boxes.append(box_over(timeline, moment, colour))
    description = f"Who speaks: {', '.join(speakers)}."
    return Chart("speaker", description, boxes=tuple(boxes), is_strip=True)


def _failure_boxes(timeline: Timeline) -> list[Box]:
    boxes: list[Box] = []
    for moment in timeline.moments:
        if moment.prediction is None:
            boxes.append(box_over(timeline, moment, "failed"))
    return boxes
