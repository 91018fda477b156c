"""frames: what a fixed number of frames costs against all frames of a clip, from the same cache."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.eval.analysis.figure import (
    SERIES,
    AnalysisError,
    Figure,
    Found,
    Numbers,
    axes,
    figure,
)
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import valid_pair
from semanticmac.eval.metrics.scores import Scores, score
from semanticmac.eval.report.paper import quoted_frames

FIXED = (5, 100)
WORDS = (
    "The same weights read every clip with a fixed number of its frames and with all of them. Fewer frames than a clip "
    "has are chosen evenly, more repeat it. The paper trains each of its rows; here only what is read changes."
)


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """Scores for each number of frames; the paper's, of MOSEI, beside them in the table."""
    model = data.trained.info.model
    if model.setting == "conversation":
        raise AnalysisError(
            "frames are those of one clip, but this model reads the clips before it too: setting=utterance"
        )
    if model.modalities == ("text",):
        raise AnalysisError("this model reads text alone: there are no frames to choose from")
    rows = data.rows(split)
    scored: dict[str, Scores] = {}
    valid = valid_pair(data)
    for name, count in (*((f"fixed {count}", count) for count in FIXED), ("all, varying", 0)):
        said = data.predict(rows, change=partial(choose_frames, count=count) if count else None)
        rules = (data.manifest.corpus, data.trained.info.task, said.truth, said.multimodal)
        scored[name] = score(*rules, train_truth=data.train_truth(), valid=valid)
    ours = tuple(
        (name, metric.name, metric.value, "measured")
        for name, found in scored.items()
        for metric in found.metrics
    )
    quoted = tuple((*row, "quoted, MOSEI") for row in quoted_frames())
    numbers = Numbers(("frames", "metric", "value", "origin"), (*ours, *quoted))
    return Found("frames", "Fixed against all frames", WORDS, {"": _draw(scored)}, {"": numbers})


def choose_frames(batch: Batch, count: int) -> Batch:
    """Every clip with exactly `count` frames of sound and picture: its ⌊j·F/count⌋-th, j = 0 … count − 1."""
    vision, vision_mask = _choose(batch.vision, batch.vision_mask, count)
    audio, audio_mask = _choose(batch.audio, batch.audio_mask, count)
    return replace(
        batch, vision=vision, vision_mask=vision_mask, audio=audio, audio_mask=audio_mask
    )


def _choose(frames: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """frames (B, F, E), mask (B, F), real frames first → (B, count, E), (B, count)."""
    length = mask.sum(1, keepdim=True)  # (B, 1)
    place = torch.arange(count)[None] * length // count  # (B, count)
    chosen = frames.gather(
        1, place.clamp(max=frames.shape[1] - 1)[..., None].expand(-1, -1, frames.shape[2])
    )
    return chosen, (length > 0).expand(-1, count)


def _draw(scored: dict[str, Scores]) -> Figure:
    whole = next(iter(scored.values()))
    wanted = dict.fromkeys([whole.main, "Acc-7", "Acc-2 (non-zero)", "Acc-2", "Accuracy", "Corr"])
    names = [name for name in wanted if any(metric.name == name for metric in whole.metrics)][:4]
    picture = figure(max(2.1 * len(names), 4.2), 2.6)
    for ax, metric in zip(axes(picture, 1, len(names)), names, strict=True):
        values = [found[metric].value for found in scored.values()]
        for x, value in enumerate(values):
            if value is not None:
                ax.bar(x, value, 0.6, color=SERIES[0], alpha=1.0 if x == len(values) - 1 else 0.4)
        ax.set_title(metric)
        ax.set_xticks(
            range(len(scored)),
            [name.replace(", varying", "").replace("fixed ", "") for name in scored],
        )
        ax.grid(True, axis="y")
    picture.supxlabel("frames a clip", fontsize=8)
    return picture
