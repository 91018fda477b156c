"""The clips with the largest errors: frames, loudness, text and predictions."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from semanticmac.cache.manifest import Row
from semanticmac.core import SUB_TASKS, Task
from semanticmac.eval.analysis.thumbnails import Preview, previews
from semanticmac.eval.calibration import log_losses
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.report.formatting import plain, prediction_text
from semanticmac.eval.report.recordings import Recording, recordings
from semanticmac.run.predictions import Predictions, rows_by_clip_id

MOST = 8  # clips
FRAMES = 4  # of each clip
_WAVE_WIDTH, _WAVE_HEIGHT = 240, 40


@dataclass(frozen=True)
class Mistake:
    """One clip, as texts and images for the page."""

    clip_id: str
    text: str
    truth: str
    predicted: str
    sub_tasks: tuple[tuple[str, str], ...]  # (sub-task, its prediction)
    frames: tuple[str, ...]  # data URIs
    frame_times: tuple[str, ...]  # of the frames, for a person
    recording: Recording | None  # None: it gets no player
    wave: str  # points of an SVG polygon in a box of 240 × 40; empty where there is no audio

    @property
    def timed_frames(self) -> list[tuple[str, str]]:
        """The frames with their times."""
        return list(zip(self.frames, self.frame_times, strict=True))


def mistakes(
    data: EvalData, result: Evaluation, rows: Sequence[Row], page: Path | None = None
) -> tuple[Mistake, ...]:
    """The clips whose prediction is furthest from the truth, the worst first.

    page: where the report is written; None: it gets no players.
    """
    task, predictions = data.trained.info.task, result.predictions
    losses = clip_losses(task, predictions.truth, predictions.multimodal)
    order = np.argsort(-np.nan_to_num(losses, nan=-1.0), kind="stable")[:MOST]
    worst: list[int] = order[losses[order] > 0].tolist()

    row_of = rows_by_clip_id(rows)
    chosen = [row_of[predictions.clip_ids[number]] for number in worst]
    frames_per_s = data.streams.sampling.frames_per_s
    shown = previews(data.layout, chosen, frames_per_s, count=FRAMES)
    files = recordings(data.layout, data.manifest.sampling, chosen, page)
    worst_first = []
    for number, row, preview, file in zip(worst, chosen, shown, files, strict=True):
        worst_first.append(_mistake(task, predictions, number, row, preview, file))
    return tuple(worst_first)


def _mistake(
    task: Task,
    predictions: Predictions,
    number: int,
    row: Row,
    preview: Preview,
    recording: Recording | None,
) -> Mistake:
    available = predictions.available(number)
    sub_tasks = []
    for place, name in enumerate(SUB_TASKS):
        if name != "multimodal" and available[place]:
            sub_tasks.append((name, prediction_text(task, predictions.outputs[number, place])))
    return Mistake(
        row.clip_id,
        row.text,
        _truth_text(task, predictions.truth[number]),
        prediction_text(task, predictions.multimodal[number]),
        tuple(sub_tasks),
        tuple(map(_jpeg, preview.frames)),
        tuple(f"{time_s:.1f} s" for time_s in preview.times_s),
        recording,
        _wave(preview.peaks),
    )


def clip_losses(task: Task, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """(N, K) → (N,): absolute error, or negative log-likelihood of classes; NaN = not annotated.

    Errors of several scores are weighted by their ranges, and their mean is taken over the scores
    that the clip has.
    """
    if task.kind == "regression":
        errors = np.abs(prediction - truth) * task.loss_weights
        known = (~np.isnan(truth)).sum(axis=1)
        mean = np.nansum(errors, axis=1) / np.maximum(known, 1)
        return np.where(known > 0, mean, np.nan)
    losses = log_losses(task, truth, prediction)
    summed: np.ndarray = losses.reshape(len(truth), -1).sum(axis=1)
    return summed


def _truth_text(task: Task, truth: np.ndarray) -> str:
    if task.kind == "regression":
        return prediction_text(task, truth)
    if task.kind == "binary":
        return task.classes[int(truth[0] > 0.5)]
    names = []
    for name, share in zip(task.classes, truth, strict=True):
        if share > 0.5:
            names.append(name)
    return ", ".join(names) or "none"


def _wave(peaks: np.ndarray) -> str:
    """A polygon around the middle line, as high as the audio is loud."""
    if not len(peaks):
        return ""
    heights = (_WAVE_HEIGHT / 2 - 1) * peaks / max(float(peaks.max()), 1e-3)
    x = np.linspace(0, _WAVE_WIDTH, len(heights))
    upper = zip(x, _WAVE_HEIGHT / 2 - heights, strict=True)
    lower = zip(x[::-1], (_WAVE_HEIGHT / 2 + heights)[::-1], strict=True)
    points = []
    for a, b in (*upper, *lower):
        points.append(f"{plain(a, 1)},{plain(b, 1)}")
    return " ".join(points)


def _jpeg(frame: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=82)
    return data_uri(buffer.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """The content of a file as a URI, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
