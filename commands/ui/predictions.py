"""The predictions of raw videos, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from semanticmac.cache.failures import Failure
from semanticmac.commands.ui.safe_console import plain_text, printable_json
from semanticmac.core import SCORE, Task
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.formatting import interval_text


def predictions_table(
    modalities: Sequence[str], predictions: Sequence[Prediction], notes: Sequence[str]
) -> Table:
    """One row per video: the multimodal prediction, then each modality that has a head."""
    table = Table(
        title="predictions",
        caption=plain_text("\n".join(notes)) if notes else None,
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
    )
    table.add_column("clip", overflow="fold")
    table.add_column("multimodal", style="bold")
    heads: set[str] = set()
    for prediction in predictions:
        heads |= prediction.outputs.keys()
    modalities = [name for name in modalities if name in heads]
    with_interval = any(prediction.intervals for prediction in predictions)
    if with_interval:
        table.add_column("90 % interval")
    for name in modalities:
        table.add_column(f"{name} alone")
    for prediction in predictions:
        bounds = [intervals_text(prediction)] if with_interval else []
        table.add_row(
            plain_text(prediction.clip_id),
            plain_text(prediction.summary),
            *bounds,
            *(plain_text(prediction.describe(name)) for name in modalities),
        )
    return table


def intervals_text(prediction: Prediction) -> str:
    """The interval of each score, with the names of several scores."""
    if not prediction.intervals:
        return "–"
    texts: list[str] = []
    for dimension, bounds in zip(prediction.task.dimensions, prediction.intervals, strict=True):
        name = "" if dimension.name == SCORE else f"{dimension.name} "
        texts.append(name + interval_text(bounds, dimension))
    return ", ".join(texts)


def json_text(report: dict[str, object]) -> str:
    """A report as JSON that a terminal only shows; texts in any script stay readable."""
    return printable_json(json.dumps(report, indent=1, ensure_ascii=False))


def predictions_json(
    run: str,
    task: Task,
    predictions: Sequence[Prediction],
    failures: Sequence[Failure],
    notes: Sequence[str],
) -> dict[str, object]:
    """The outputs of every video by sub-task; null for a modality that the video lacks.

    `scores` are the outputs of the model: its scores, in the order of `dimensions`, or one logit
    per class. `probabilities` has one probability per class, calibrated on validation where the run
    was scored by `eval`, and is empty for a regression task. `intervals` has one for each score and
    holds nine true scores in ten; empty where it is not known. `interval` is the one of a single
    score.
    """
    predicted = []
    for each in predictions:
        predicted.append(
            {
                "clip": each.clip_id,
                "prediction": each.summary,
                "scores": each.outputs,
                "probabilities": each.probabilities,
                "interval": each.interval,
                "intervals": list(each.intervals),
                "unusual": list(each.unusual),
                "notes": list(each.notes),
            }
        )
    return {
        "run": run,
        "task": task.kind,
        "classes": list(task.classes),
        "dimensions": [asdict(dimension) for dimension in task.dimensions],
        "notes": list(notes),
        "predictions": predicted,
        "failures": [{"clip": failure.clip_id, "reason": failure.reason} for failure in failures],
    }
