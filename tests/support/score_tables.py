"""Made-up scores of every corpus, and their tables as printed text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from semanticmac.core import Task
from semanticmac.eval.metrics.bootstrap import Interval
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import Scores, score
from semanticmac.eval.report.score_tables import metrics_down, results_table
from semanticmac.eval.report.write_terminal import to_terminal

SENTIMENT = Task("regression")
IEMOCAP = Task("single-label", ("hap", "sad", "neu", "ang", "exc", "fru"))
MELD = Task("single-label", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
RAVDESS = Task(
    "single-label", ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
)
MOSEI = Task("multi-label", ("happy", "sad", "anger", "surprise", "disgust", "fear"))
HUMOUR = Task("binary", ("serious", "humorous"))
EVERY_DATASET = [
    ("mosi", SENTIMENT),
    ("mosei", SENTIMENT),
    ("sims", Task("regression", low=-1, high=1)),
    ("mosei-emotion", MOSEI),
    ("iemocap", IEMOCAP),
    ("meld", MELD),
    ("urfunny", HUMOUR),
    ("my-videos", SENTIMENT),
    ("ravdess", RAVDESS),
]


def predictions(task: Task, seed: int, size: int = 200) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(seed)
    if task.kind == "regression":
        truth = draw.uniform(task.low, task.high, (size, 1)).round(1)
        return truth, truth + 0.3 * draw.normal(size=truth.shape)
    if task.kind == "single-label":
        truth = np.eye(task.width)[draw.integers(task.width, size=size)]
    else:
        truth = (draw.random((size, task.width)) < 0.4).astype(np.float64)
    return truth, 2 * truth - 1 + draw.normal(size=truth.shape)


def scores_of(dataset: str, task: Task, seed: int = 0) -> Scores:
    truth, raw = predictions(task, seed)
    return score(dataset, task, truth, raw, train_truth=truth, valid=predictions(task, 99))


def score_table(
    scores: Scores | list[Scores],
    dataset: str,
    split: str,
    intervals: tuple[Interval, ...] = (),
    notes: Sequence[str] = (),
) -> Table:
    runs = [scores] if isinstance(scores, Scores) else scores
    results = results_table(runs, dataset, dataset, split, intervals, notes=notes)
    return to_terminal(metrics_down(results))


def printed(table: Table, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def row(text: str, name: str) -> list[str]:
    """The cells of the row that starts with `name`."""
    return (
        next(line for line in text.splitlines() if line.strip().startswith(name))
        .replace(name, "", 1)
        .split()
    )
