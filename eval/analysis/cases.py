"""cases: the clips whose modalities disagree most, with text, frames and predictions."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import expit, softmax

from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, PSEUDO_SUB_TASKS, SUB_TASKS, Task
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    INK,
    QUIET,
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    colour_of,
    figure,
)
from semanticmac.eval.analysis.thumbnails import Preview, previews
from semanticmac.eval.conflict import within_range
from semanticmac.eval.eval_data import EvalData
from semanticmac.run.predictions import Predictions, rows_by_clip_id
from semanticmac.run.pseudo_labels import read_pseudo_labels

SHOWN = 6
DRAWN_SUB_TASKS = ("text", "audio", "vision", "multimodal")  # from top to bottom
EXPLANATION = (
    "The clips whose text, audio and vision are read most differently, each by its own sub-task. "
    "The multimodal prediction shows which of them the model follows."
)


@dataclass(frozen=True)
class Case:
    """One clip with its predictions: scores, or probabilities of the classes."""

    row: Row
    predicted: dict[str, np.ndarray]  # sub-task → (C,), without absent modalities
    disagreement: float
    pseudo: dict[str, np.ndarray]  # train clips of runs that kept pseudo labels


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """The table has all clips of the split, the figure the first few."""
    rows, task = data.rows(split), data.trained.info.task
    pseudo = _pseudo_labels(run, data.trained.info.best_epoch)
    cases = find_cases(task, rows, data.predict(rows), pseudo)
    if not cases:
        raise AnalysisError(f"no clip of {split} has two modalities that could disagree")
    shown = cases[:SHOWN]
    frames_per_s = data.streams.sampling.frames_per_s
    clips = previews(data.layout, [case.row for case in shown], frames_per_s)
    table = NumberTable(_columns(), tuple(map(_table_row, cases)))
    return AnalysisResult(
        "cases",
        "Where modalities disagree",
        EXPLANATION,
        {"": _draw(task, shown, clips)},
        {"": table},
        photographs=True,
    )


def find_cases(
    task: Task,
    rows: tuple[Row, ...],
    predictions: Predictions,
    pseudo: dict[str, dict[str, np.ndarray]],
) -> list[Case]:
    """Clips with two modalities or more, the greatest disagreement first."""
    row_of = rows_by_clip_id(rows)
    cases = []
    for number, clip_id in enumerate(predictions.clip_ids):
        available = predictions.available(number)
        predicted = {}
        for place, name in enumerate(SUB_TASKS):
            if available[place]:
                predicted[name] = probable(task, predictions.outputs[number, place])
        alone = []
        for name in MODALITIES:
            if name in predicted:
                alone.append(predicted[name])
        if len(alone) > 1:
            gap = disagreement(task, alone)
            cases.append(Case(row_of[clip_id], predicted, gap, pseudo.get(clip_id, {})))
    return sorted(cases, key=lambda case: -case.disagreement)


def disagreement(task: Task, predicted: list[np.ndarray]) -> float:
    """The widest gap of scores, or the greatest total variation between two distributions.

    Gaps of several scores are weighted by their ranges, and their mean is taken.
    """
    gaps = []
    for a, b in combinations(predicted, 2):
        gap = np.abs(a - b)
        if task.kind == "regression":
            gaps.append(float((gap * task.loss_weights).mean()))
        else:
            gaps.append(float(gap.sum()) / 2)
    return max(gaps)


def probable(task: Task, output: np.ndarray) -> np.ndarray:
    """(K,) → the score, or the probability of every class of the task."""
    if task.kind == "regression":
        return within_range(task, output)
    if task.kind == "single-label":
        return np.asarray(softmax(output))
    present = np.asarray(expit(output))
    return np.concatenate([1 - present, present]) if task.kind == "binary" else present


def _pseudo_labels(run: Path, epoch: int) -> dict[str, dict[str, np.ndarray]]:
    """Clip → sub-task → pseudo label of one epoch."""
    history = read_pseudo_labels(run)
    labels = None if history is None else history.of_epoch(epoch)
    if history is None or labels is None:
        return {}
    pseudo = {}
    for number, clip_id in enumerate(history.clip_ids):
        pseudo[clip_id] = dict(zip(PSEUDO_SUB_TASKS, labels[:, number], strict=True))
    return pseudo


def _columns() -> tuple[str, ...]:
    columns = ["clip_id", "disagreement", "text", "truth"]
    for name in MODALITIES:
        columns.append(f"annotated_{name}")
    for name in SUB_TASKS:
        columns.append(f"predicted_{name}")
    for name in PSEUDO_SUB_TASKS:
        columns.append(f"pseudo_{name}")
    return tuple(columns)


def _table_row(case: Case) -> tuple[object, ...]:
    row = case.row
    cells: list[object] = [row.clip_id, case.disagreement, row.text, _joined(row.label)]
    for name in MODALITIES:
        cells.append(_joined(getattr(row, f"label_{name}")))
    for name in SUB_TASKS:
        cells.append(_joined(case.predicted.get(name)))
    for name in PSEUDO_SUB_TASKS:
        cells.append(_joined(case.pseudo.get(name)))
    return tuple(cells)


def _joined(values: np.ndarray | list[float] | None) -> str:
    if values is None:
        return ""
    return " ".join(map(str, np.asarray(values, dtype=float).tolist()))


def _draw(task: Task, cases: list[Case], clips: list[Preview]) -> Figure:
    picture = figure(8.4, 1.25 * len(cases) + 0.5)
    panels = axes(picture, len(cases), 2, gridspec_kw={"width_ratios": [2.2, 1.0]})
    for place, (case, preview) in enumerate(zip(cases, clips, strict=True)):
        left, right = panels[2 * place], panels[2 * place + 1]
        _draw_frames(left, preview)
        text = textwrap.shorten(case.row.text or "(no text)", 88, placeholder=" …")
        title = f"{case.row.clip_id} · {text}"
        left.set_title(title, fontsize=7.5, fontweight="normal", color=INK)
        _draw_predictions(right, task, case)
        right.tick_params(labelbottom=place == len(cases) - 1)
    if task.width == 1 and task.kind == "regression":
        legend = "● predicted   ◇ annotated by people   | pseudo label   ┊ the clip's label"
        picture.supxlabel(legend, fontsize=7)
    return picture


def _draw_frames(ax: Axes, preview: Preview) -> None:
    """The frames side by side, with white gaps."""
    ax.set_axis_off()
    if not preview.frames:
        ax.text(0, 0.5, "no frame is stored", color=QUIET, transform=ax.transAxes, va="center")
        return
    gap = ((0, 0), (0, 4), (0, 0))
    padded = [np.pad(frame, gap, constant_values=255) for frame in preview.frames]
    ax.imshow(np.concatenate(padded, axis=1))
    ax.set_anchor("W")


def _draw_predictions(ax: Axes, task: Task, case: Case) -> None:
    """One line for each sub-task: its score, or its most probable class."""
    names = []
    for name in reversed(DRAWN_SUB_TASKS):
        if name in case.predicted:
            names.append(name)
    is_score = task.kind == "regression" and task.width == 1
    for y, name in enumerate(names):
        if task.width > 1 and task.kind == "regression":
            _draw_scores(ax, task, case, name, y)
        elif is_score:
            _draw_score(ax, case, name, y)
        else:
            _draw_class(ax, task, case, name, y)
    if is_score and case.row.label is not None:
        ax.axvline(case.row.label[0], color=INK, lw=0.8, ls=":")
    ax.set(ylim=(-0.6, len(names) - 0.4), xlim=(task.low, task.high) if is_score else (0, 1.35))
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.tick_params(axis="x", labelsize=7)
    ax.grid(True, axis="x")


def _draw_score(ax: Axes, case: Case, name: str, y: int) -> None:
    colour = colour_of(name)
    ax.plot(float(case.predicted[name][0]), y, "o", color=colour, ms=6, clip_on=False)
    if name in case.pseudo:
        ax.plot(float(case.pseudo[name][0]), y, "|", color=colour, ms=11, clip_on=False)
    annotated = getattr(case.row, f"label_{name}", None)
    if annotated is not None:
        ax.plot(annotated[0], y, "D", mfc="none", color=colour, ms=5, clip_on=False)


def _draw_scores(ax: Axes, task: Task, case: Case, name: str, y: int) -> None:
    """Several scores, each as a share of its range and with the first letters of its name."""
    for dimension, score in zip(task.dimensions, case.predicted[name], strict=True):
        x = float((score - dimension.low) / (dimension.high - dimension.low))
        ax.plot(x, y, "o", color=colour_of(name), ms=5, clip_on=False)
        label = dimension.name[:3]
        ax.annotate(label, (x, y), xytext=(0, 5), textcoords="offset points", fontsize=6)


def _draw_class(ax: Axes, task: Task, case: Case, name: str, y: int) -> None:
    shares = case.predicted[name]
    x = float(shares.max())
    ax.plot(x, y, "o", color=colour_of(name), ms=6, clip_on=False)
    label = task.classes[int(shares.argmax())]
    ax.annotate(label, (x, y), xytext=(6, -3), textcoords="offset points", fontsize=7)
