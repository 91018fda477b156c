"""cases: the clips whose modalities disagree most, with what is said and seen, and what each sub-task makes of it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, PSEUDO_SUB_TASKS, SUB_TASKS, Task
from semanticmac.eval.analysis.figure import (
    INK,
    QUIET,
    AnalysisError,
    Axes,
    Figure,
    Found,
    Numbers,
    axes,
    colour_of,
    figure,
)
from semanticmac.eval.analysis.thumbnails import Film, films
from semanticmac.eval.calibration import softmax
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.predict import Predictions
from semanticmac.run.pseudo_labels import read_pseudo_labels

SHOWN = 6
WORDS = (
    "The clips whose text, sound and picture are read most differently, each by its own sub-task. The multimodal "
    "prediction shows which of them the model believes."
)


@dataclass(frozen=True)
class Case:
    """One clip and what was said of it; arrays are scores, or probabilities of the classes."""

    row: Row
    said: dict[str, np.ndarray]  # sub-task → (C,), those whose modality is there
    disagreement: float
    pseudo: dict[str, np.ndarray]  # train clips of runs that kept them


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """The table has every clip of the split, the picture the first few."""
    rows, task = data.rows(split), data.trained.info.task
    found = find_cases(task, rows, data.predict(rows), _pseudo(run, data.trained.info.best_epoch))
    if not found:
        raise AnalysisError(f"no clip of {split} has two modalities that could disagree")
    shown = found[:SHOWN]
    per_s = data.manifest.fingerprint.sampling.frames_per_s
    picture = _draw(task, shown, films(data.layout, [case.row for case in shown], per_s))
    numbers = Numbers(_columns(task), tuple(_line(task, case) for case in found))
    return Found(
        "cases", "Where modalities disagree", WORDS, {"": picture}, {"": numbers}, photographs=True
    )


def find_cases(
    task: Task,
    rows: tuple[Row, ...],
    predictions: Predictions,
    pseudo: dict[str, dict[str, np.ndarray]],
) -> list[Case]:
    """Clips with two modalities or more, the greatest disagreement first."""
    cases = []
    by_id = {row.clip_id: row for row in rows}
    for n, clip_id in enumerate(predictions.clip_ids):
        there = [True, True, *predictions.present[n]]
        said = {
            name: probable(task, predictions.scores[n, s])
            for s, name in enumerate(SUB_TASKS)
            if there[s]
        }
        alone = [said[name] for name in MODALITIES if name in said]
        if len(alone) > 1:
            # Scores: the widest gap. Classes: the greatest total variation between two of the
            # distributions.
            gap = max(0.5 * np.abs(a - b).sum() for a in alone for b in alone) * (
                2 if task.kind == "regression" else 1
            )
            cases.append(Case(by_id[clip_id], said, float(gap), pseudo.get(clip_id, {})))
    return sorted(cases, key=lambda case: -case.disagreement)


def probable(task: Task, score: np.ndarray) -> np.ndarray:
    """(K,) raw → the score itself, or the probability of every class named in the task."""
    if task.kind == "regression":
        return np.asarray(np.clip(score, task.low, task.high))
    if task.kind == "single-label":
        return np.asarray(softmax(score[None])[0])
    present = np.asarray(1 / (1 + np.exp(-score)))
    both: np.ndarray = np.concatenate([1 - present, present]) if task.kind == "binary" else present
    return both


def _pseudo(run: Path, epoch: int) -> dict[str, dict[str, np.ndarray]]:
    history = read_pseudo_labels(run)
    if history is None or epoch not in history.epochs:
        return {}
    labels = history.labels[history.epochs.index(epoch)]
    return {
        c: {name: labels[s, n] for s, name in enumerate(PSEUDO_SUB_TASKS)}
        for n, c in enumerate(history.clip_ids)
    }


def _columns(task: Task) -> tuple[str, ...]:
    names = [f"predicted_{name}" for name in SUB_TASKS] + [
        f"pseudo_{name}" for name in PSEUDO_SUB_TASKS
    ]
    return (
        "clip_id",
        "disagreement",
        "text",
        "truth",
        *(f"annotated_{name}" for name in MODALITIES),
        *names,
    )


def _line(task: Task, case: Case) -> tuple[object, ...]:
    row = case.row
    people = [_flat(getattr(row, f"label_{name}")) for name in MODALITIES]
    said = [_flat(case.said.get(name)) for name in SUB_TASKS] + [
        _flat(case.pseudo.get(name)) for name in PSEUDO_SUB_TASKS
    ]
    return (row.clip_id, case.disagreement, row.text, _flat(row.label), *people, *said)


def _flat(values: np.ndarray | list[float] | None) -> str:
    return "" if values is None else " ".join(str(float(value)) for value in values)


def _draw(task: Task, cases: list[Case], seen: list[Film]) -> Figure:
    picture = figure(8.4, 1.25 * len(cases) + 0.5)
    panels = axes(picture, len(cases), 2, gridspec_kw={"width_ratios": [2.2, 1.0]})
    for place, (case, film) in enumerate(zip(cases, seen, strict=True)):
        left, right = panels[2 * place], panels[2 * place + 1]
        _strip(left, film)
        said = textwrap.shorten(case.row.text or "(no text)", 88, placeholder=" …")
        left.set_title(
            f"{case.row.clip_id} · {said}",
            fontsize=7.5,
            fontweight="normal",
            color=INK,
            parse_math=False,
        )
        _dots(right, task, case)
        right.tick_params(labelbottom=place == len(cases) - 1)
    if task.kind == "regression":
        picture.supxlabel(
            "● predicted   ◇ annotated by people   | pseudo label   ┊ the clip's label", fontsize=7
        )
    return picture


def _strip(ax: Axes, film: Film) -> None:
    ax.set_axis_off()
    if not film.pictures:
        ax.text(0, 0.5, "no picture is stored", color=QUIET, transform=ax.transAxes, va="center")
        return
    ax.imshow(
        np.concatenate(
            [np.pad(p, ((0, 0), (0, 4), (0, 0)), constant_values=255) for p in film.pictures],
            axis=1,
        )
    )
    ax.set_anchor("W")


def _dots(ax: Axes, task: Task, case: Case) -> None:
    """A line a sub-task: the score, or the class that is most probable and how probable."""
    names = [name for name in ("text", "audio", "vision", "multimodal") if name in case.said]
    score = task.kind == "regression"
    for y, name in enumerate(reversed(names)):
        said = case.said[name]
        x = float(said[0] if score else said.max())
        ax.plot(x, y, "o", color=colour_of(name), ms=6, clip_on=False)
        if not score:
            ax.annotate(
                task.classes[int(said.argmax())],
                (x, y),
                xytext=(6, -3),
                textcoords="offset points",
                fontsize=7,
            )
        if name in case.pseudo and score:
            ax.plot(
                float(case.pseudo[name][0]), y, "|", color=colour_of(name), ms=11, clip_on=False
            )
        people = getattr(case.row, f"label_{name}", None)
        if people is not None and score:
            ax.plot(people[0], y, "D", mfc="none", color=colour_of(name), ms=5, clip_on=False)
    if score and case.row.label is not None:
        ax.axvline(case.row.label[0], color=INK, lw=0.8, ls=":")
    ax.set(ylim=(-0.6, len(names) - 0.4), xlim=(task.low, task.high) if score else (0, 1.35))
    ax.set_yticks(range(len(names)), list(reversed(names)), fontsize=7)
    ax.tick_params(axis="x", labelsize=7)
    ax.grid(True, axis="x")
