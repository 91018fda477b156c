"""The paper's numbers as quoted data: marked, complete and unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semanticmac.core import SPLITS, Task
from semanticmac.eval.metrics.functions import Floats
from semanticmac.eval.metrics.scores import Scores, score
from semanticmac.eval.report.paper import (
    RESULTS,
    counterpart,
    load_quoted,
    quoted_clips,
    quoted_columns,
)
from semanticmac.preprocess.corpora.cards import CARDS

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


PAPER = Path(__file__).parents[4] / "shared/data/paper/results.csv"


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


def test_the_sizes_of_the_paper_are_those_of_the_corpora() -> None:
    for name, card in CARDS.items():
        for split in SPLITS:
            assert quoted_clips(name, split) == card.paper_counts().get(split)


def test_quoted_numbers_are_marked_and_complete(tmp_path: Path) -> None:
    rows = load_quoted()
    assert len(rows) == 758 and {cell.dataset for cell in rows} >= {
        "mosi",
        "mosei",
        "sims",
        "simsv2",
        "meld",
        "mustard",
    }
    assert quoted_columns("mosi")["SemanticMAC-BERT", "utterance"]["mae"].value == 0.685
    assert quoted_columns("my-videos") == {}
    forged = tmp_path / "results.csv"
    forged.write_text(
        RESULTS.read_text(encoding="utf-8").replace(",quoted", ",ours", 1), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"results.csv:2 has origin 'ours'"):
        load_quoted(forged)


def test_every_quoted_number_of_semanticmac_finds_a_metric_of_ours() -> None:
    """No number that the paper prints for the model is lost for want of a name."""
    for dataset, task in [
        *EVERY_DATASET[:-1],
        ("simsv2", EVERY_DATASET[2][1]),
        ("mustard", HUMOUR),
    ]:
        ours = scores_of(dataset, task).metrics
        for cells in quoted_columns(dataset).values():
            found = {number.key for metric in ours if (number := counterpart(metric, cells))}
            assert found == set(cells), dataset


@pytest.mark.skipif(
    not PAPER.exists(), reason=f"the source of the quoted numbers is not here: {PAPER}"
)
def test_the_quoted_numbers_are_an_unchanged_copy() -> None:
    copied = [
        line.removesuffix(",quoted")
        for line in RESULTS.read_text(encoding="utf-8").splitlines()[1:]
    ]
    assert copied == PAPER.read_text(encoding="utf-8").splitlines()[1:]
