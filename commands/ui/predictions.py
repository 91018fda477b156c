"""The predictions of raw videos, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from semanticmac.cache.failures import Failure
from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.core import Task
from semanticmac.inference import Prediction


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
    for name in modalities:
        table.add_column(f"{name} alone")
    for prediction in predictions:
        table.add_row(
            plain_text(prediction.clip_id),
            plain_text(prediction.summary),
            *(plain_text(prediction.describe(name)) for name in modalities),
        )
    return table


def predictions_json(
    run: str,
    task: Task,
    predictions: Sequence[Prediction],
    failures: Sequence[Failure],
    notes: Sequence[str],
) -> dict[str, object]:
    """The outputs of every video by sub-task; null for a modality that the video lacks.

    `scores` are the outputs of the model: a score, or one logit per class. `probabilities` has one
    probability per class and is empty for a regression task.
    """
    return {
        "run": run,
        "task": task.kind,
        "classes": list(task.classes),
        "notes": list(notes),
        "predictions": [
            {
                "clip": each.clip_id,
                "prediction": each.summary,
                "scores": each.outputs,
                "probabilities": each.probabilities,
                "notes": list(each.notes),
            }
            for each in predictions
        ],
        "failures": [{"clip": failure.clip_id, "reason": failure.reason} for failure in failures],
    }
