"""frames: scores with a fixed number of frames and with all frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    SERIES,
    AnalysisResult,
    Figure,
    NumberTable,
    axes,
    figure,
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import score_predictions, valid_pair
from semanticmac.eval.metrics.scores import Scores
from semanticmac.eval.report.paper import quoted_frames

FIXED = (5, 100)
ALL_FRAMES = "all, varying"  # as the paper calls it
DRAWN = ("Acc-7", "Acc-2 (non-zero)", "Acc-2", "Accuracy", "Corr")  # after the main metric
MOST_PANELS = 4
COLUMNS = ("frames", "metric", "value", "origin")
EXPLANATION = (
    "The same weights read a fixed number of frames of every clip, and all of them. A clip with "
    "more frames is sampled evenly; frames of a shorter clip repeat. The paper trains a model for "
    "each row; here only the input changes."
)


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """Scores for each number of frames; the table has those of the paper, on MOSEI, too."""
    model = data.trained.info.model
    if model.setting == "conversation":
        raise AnalysisError(
            "frames are those of one clip, but this model reads the clips before it too: "
            "setting=utterance"
        )
    if model.modalities == ("text",):
        raise AnalysisError("this model reads text alone: there are no frames to choose from")
    rows, valid = data.rows(split), valid_pair(data)
    scores = {}
    for count in FIXED:
        predictions = data.predict(rows, change=_chooser(count))
        scores[f"fixed {count}"] = score_predictions(data, predictions, valid)
    scores[ALL_FRAMES] = score_predictions(data, data.predict(rows), valid)

    lines: list[tuple[object, ...]] = []
    for name, result in scores.items():
        for metric in result.metrics:
            lines.append((name, metric.name, metric.value, "measured"))
    for row in quoted_frames():
        lines.append((*row, "quoted, MOSEI"))
    table = NumberTable(COLUMNS, tuple(lines))
    title = "Fixed against all frames"
    return AnalysisResult("frames", title, EXPLANATION, {"": _draw(scores)}, {"": table})


def _chooser(count: int) -> Callable[[Batch], Batch]:
    def choose(batch: Batch) -> Batch:
        return choose_frames(batch, count)

    return choose


def choose_frames(batch: Batch, count: int) -> Batch:
    """Exactly `count` audio and video frames of each clip: its ⌊j·F/count⌋, j = 0 … count − 1."""
    vision, vision_mask = _choose(batch.vision, batch.vision_mask, count)
    audio, audio_mask = _choose(batch.audio, batch.audio_mask, count)
    return replace(
        batch, vision=vision, vision_mask=vision_mask, audio=audio, audio_mask=audio_mask
    )


def _choose(frames: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """frames (B, F, E), mask (B, F), real frames first → (B, count, E), (B, count)."""
    length = mask.sum(1, keepdim=True)  # (B, 1)
    place = torch.arange(count)[None] * length // count  # (B, count)
    index = place.clamp(max=frames.shape[1] - 1)[..., None].expand(-1, -1, frames.shape[2])
    return frames.gather(1, index), (length > 0).expand(-1, count)


def _draw(scores: dict[str, Scores]) -> Figure:
    first = next(iter(scores.values()))
    measured = {metric.name for metric in first.metrics}
    names = []
    for name in (first.main, *DRAWN):
        if name in measured and name not in names:
            names.append(name)
    names = names[:MOST_PANELS]
    labels = [*map(str, FIXED), "all"]
    picture = figure(max(2.1 * len(names), 4.2), 2.6)
    for ax, name in zip(axes(picture, 1, len(names)), names, strict=True):
        for x, result in enumerate(scores.values()):
            value = result[name].value
            if value is not None:
                alpha = 1.0 if x == len(scores) - 1 else 0.4
                ax.bar(x, value, 0.6, color=SERIES[0], alpha=alpha)
        ax.set_title(name)
        ax.set_xticks(range(len(labels)), labels)
        ax.grid(True, axis="y")
    picture.supxlabel("frames of each clip", fontsize=8)
    return picture
