"""A time line as a table for spreadsheets."""

from __future__ import annotations

from semanticmac.eval.prediction import interval_columns
from semanticmac.eval.report.csv_text import csv_text
from semanticmac.eval.timeline import Moment, Timeline

Cell = str | float | None


def timeline_csv(timeline: Timeline) -> str:
    """One line an utterance: times, words, the prediction, and each modality alone.

    A text that a spreadsheet would take for a formula begins with `'`.
    """
    task = timeline.task
    names = [f"probability {name}" for name in task.classes] or list(task.names)
    heads = _heads(timeline)
    header: list[Cell] = ["start_s", "end_s", "speaker", "text", "prediction"]
    for head in heads:
        header += [f"{head} {name}" for name in names]
    for dimension in task.dimensions:
        header += interval_columns(dimension.name)
    rows: list[list[Cell]] = [[*header, "remarks"]]
    for moment in timeline.moments:
        rows.append(_row(timeline, moment, heads))
    return csv_text(rows)


def _heads(timeline: Timeline) -> list[str]:
    """The sub-tasks that the model predicts, in their order."""
    heads: dict[str, None] = {"multimodal": None}
    for moment in timeline.moments:
        if moment.prediction is not None:
            heads.update(dict.fromkeys(moment.prediction.outputs))
    return list(heads)


def _row(timeline: Timeline, moment: Moment, heads: list[str]) -> list[Cell]:
    prediction = moment.prediction
    summary = None if prediction is None else prediction.summary
    row: list[Cell] = [moment.start_s, moment.end_s, moment.speaker, moment.text, summary]
    width = len(timeline.task.classes) or timeline.task.width
    for head in heads:
        output = None
        if prediction is not None:
            outputs = prediction.probabilities if timeline.task.classes else prediction.outputs
            output = outputs.get(head)
        row += [None] * width if output is None else output
    if not timeline.task.classes:
        bounds = () if prediction is None else prediction.intervals
        for place in range(width):
            row += (bounds[place] if bounds else None) or (None, None)
    return [*row, "; ".join(moment.remarks)]
