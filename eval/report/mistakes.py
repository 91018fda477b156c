"""The clips that a model got most wrong, as a report shows them: pictures, sound, text, and what was said of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from semanticmac.cache.manifest import Row
from semanticmac.core import SUB_TASKS, Task
from semanticmac.eval.analysis.thumbnails import films
from semanticmac.eval.calibration import log_softmax
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.report.formatting import plain, spoken

WORST = 8  # clips


@dataclass(frozen=True)
class Mistake:
    """A clip that the model got wrong."""

    clip_id: str
    text: str
    truth: str
    said: str
    parts: tuple[tuple[str, str], ...]  # sub-task, what it said
    pictures: tuple[str, ...]  # data URIs
    wave: str  # points of an SVG polygon in a box of 240 × 40; empty where there is no sound


def mistakes(data: EvalData, result: Evaluation, rows: Sequence[Row]) -> tuple[Mistake, ...]:
    """The clips whose prediction is furthest from the truth, the worst first."""
    task, said = data.trained.info.task, result.predictions
    losses = clip_losses(task, said.truth, said.multimodal)
    worst = [
        int(n)
        for n in np.argsort(-np.nan_to_num(losses, nan=-1.0), kind="stable")[:WORST]
        if losses[n] > 0
    ]
    by_id = {row.clip_id: row for row in rows}
    chosen = [by_id[said.clip_ids[n]] for n in worst]
    seen = films(data.layout, chosen, data.manifest.fingerprint.sampling.frames_per_s, count=4)
    found = []
    for n, row, film in zip(worst, chosen, seen, strict=True):
        there = [True, True, *said.present[n]]
        parts = tuple(
            (name, spoken(task, said.scores[n, s]))
            for s, name in enumerate(SUB_TASKS)
            if s and there[s]
        )
        truth = _truth(task, said.truth[n])
        pictures = tuple(_jpeg(picture) for picture in film.pictures)
        found.append(
            Mistake(
                row.clip_id,
                row.text,
                truth,
                spoken(task, said.multimodal[n]),
                parts,
                pictures,
                _wave(film.peaks),
            )
        )
    return tuple(found)


def clip_losses(task: Task, truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """(N, K) → (N,): absolute error, or the negative log-likelihood of the classes; NaN where not annotated."""
    if task.kind == "regression":
        losses = np.abs(said - truth)
    elif task.kind == "single-label":
        losses = -truth * log_softmax(said)
    else:
        losses = np.logaddexp(0.0, said) - truth * said
    summed: np.ndarray = losses.sum(axis=1)
    return summed


def _truth(task: Task, truth: np.ndarray) -> str:
    if task.kind == "regression":
        return spoken(task, truth)
    if task.kind == "binary":
        return task.classes[int(truth[0] > 0.5)]
    return (
        ", ".join(name for name, there in zip(task.classes, truth, strict=True) if there > 0.5)
        or "none"
    )


def _wave(peaks: np.ndarray) -> str:
    """An outline around the middle of a box of 240 × 40."""
    if not len(peaks):
        return ""
    top = peaks / max(float(peaks.max()), 1e-3)
    x = np.linspace(0, 240, len(top))
    over = [f"{plain(a, 1)},{plain(20 - 19 * b, 1)}" for a, b in zip(x, top, strict=True)]
    under = [
        f"{plain(a, 1)},{plain(20 + 19 * b, 1)}" for a, b in zip(x[::-1], top[::-1], strict=True)
    ]
    return " ".join([*over, *under])


def _jpeg(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=82)
    return data_uri(buffer.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """A file inside the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
