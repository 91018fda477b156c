"""What the report of the heads says, and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.planted import Walk

from semanticmac.cache.manifest import Row
from semanticmac.core import SUB_TASKS, Task
from semanticmac.run.predictions import Predictions
from semanticmac.train.config_io import read_config
from semanticmac.train.data import open_data
from semanticmac.train.head_report import GroupScore, HeadReport, group_scores, head_report

GOOD = {"multimodal": 0.5, "shared": 0.6, "text": 0.7, "audio": 0.9, "vision": 0.9}
WITHOUT = {"text": 0.9, "audio": 0.6, "vision": 0.6}


def test_a_fusion_that_uses_all_gets_no_warning() -> None:
    report = HeadReport("MAE", False, GOOD, WITHOUT)
    assert report.warnings() == []
    assert report.scores() == [
        "MAE of each head: multimodal 0.5000, shared 0.6000, text 0.7000, audio 0.9000, "
        "vision 0.9000"
    ]


def test_a_better_single_head_is_named_with_a_remedy() -> None:
    [note] = HeadReport("MAE", False, GOOD | {"multimodal": 0.8}, WITHOUT | {"audio": 0.9,
        "vision": 0.9}).warnings()  # fmt: skip
    assert "the text head alone scores 0.7000, the multimodal prediction 0.8000" in note
    assert "audio and vision cost more than they bring" in note
    assert "--preset tuned" in note and "--set modalities=text" in note


@pytest.mark.parametrize("higher, score", [(False, 0.4), (True, 0.6)])
def test_a_modality_that_costs_more_than_it_brings_is_named(higher: bool, score: float) -> None:
    heads = {"multimodal": 0.5}
    others = {"text": 0.5, "vision": 0.5}
    [note] = HeadReport("F1", higher, heads, others | {"audio": score}).warnings()
    assert "audio costs more than it brings" in note


def test_a_head_that_is_too_good_is_doubted() -> None:
    [note] = HeadReport("MAE", False, GOOD | {"audio": 0.4, "multimodal": 0.3}, WITHOUT).warnings()
    assert "audio embeddings were not made with these labels" in note


def test_one_modality_that_costs_has_a_verb_in_the_singular() -> None:
    heads = {"multimodal": 0.6, "audio": 0.5}
    [note, *_] = HeadReport("MAE", False, heads, {"text": 0.9, "audio": 0.9}).warnings()
    assert "text costs more than it brings" in note


def row(number: int, speaker: str) -> Row:
    return Row(
        str(number), "", "", 0.0, None, "", "valid", 1, 0.5, True, True, [0.0], speaker=speaker
    )


def test_groups_that_disagree_are_named() -> None:
    train = [row(0, "a")]
    valid = [row(i, "a" if i < 20 else "b") for i in range(40)]
    rng = np.random.default_rng(0)
    outputs = np.zeros((40, 5, 1))
    outputs[:, 0, 0] = np.where(np.arange(40) < 20, 0.2, 1.0) + 0.1 * rng.random(40)
    predictions = Predictions(
        tuple(map(str, range(40))), np.zeros((40, 1)), outputs, np.ones((40, 3), dtype=bool)
    )
    [score] = group_scores(Task("regression"), predictions, train, valid)
    assert (score.group, score.seen_clips, score.unseen_clips) == ("speaker", 20, 20)
    assert score.unseen == pytest.approx(np.abs(outputs[20:, 0]).mean())
    assert score.seen == pytest.approx(np.abs(outputs[:20, 0]).mean())
    [note] = HeadReport("MAE", False, {}, {}, [score]).warnings()
    assert "a speaker that is not in train" in note
    assert "--split-by valid-speaker" in note
    even = GroupScore("speaker", 0.5, 0.55, 0.1, 30, 20)
    report = HeadReport("MAE", False, {}, {}, [even])
    assert report.warnings() == []
    assert report.scores()[1] == (
        "validation error of all 50 clips with a known speaker: 0.520; of the 20 of a speaker that "
        "is not in train: 0.550"
    )


def test_validation_without_new_speakers_is_named() -> None:
    rows = [row(number, "a") for number in range(12)]
    names = tuple(map(str, range(12)))
    predictions = Predictions(
        names, np.zeros((12, 1)), np.zeros((12, 5, 1)), np.ones((12, 3), dtype=bool)
    )
    [score] = group_scores(Task("regression"), predictions, rows, rows)
    report = HeadReport("MAE", False, {}, {}, [score])
    assert len(report.scores()) == 1
    [note] = report.warnings()
    assert "12 of 12 validation clips are of a speaker that is in train too" in note
    assert "--split-by valid-speaker" in note
    new = [row(number, "b") for number in range(12)]
    assert group_scores(Task("regression"), predictions, rows, new) == []


def test_the_report_of_a_run_has_all_heads_and_modalities(walks: dict[str, Walk]) -> None:
    walk = walks["regression"]
    config = read_config(Path(walk.run))
    data = open_data(walk.layout, "planted")
    report = head_report(walk.run, config, data, torch.device("cpu"))
    assert list(report.heads) == list(SUB_TASKS)
    assert list(report.without) == ["text", "audio", "vision"]


def test_the_error_of_a_class_counts_each_clip_once() -> None:
    """Three classes: ten clips of a known speaker are right; five of ten others are wrong."""
    task = Task("single-label", ("low", "middle", "high"))
    valid = [row(i, "a" if i < 10 else "b") for i in range(21)]
    truth = np.tile([1.0, 0.0, 0.0], (21, 1))
    truth[20] = np.nan
    outputs = np.zeros((21, 5, 3))
    outputs[:, :, 0] = 1
    outputs[10:15, :, 2] = 2
    predictions = Predictions(
        tuple(map(str, range(21))), truth, outputs, np.ones((21, 3), dtype=bool)
    )
    [score] = group_scores(task, predictions, [row(0, "a")], valid)
    assert (score.seen, score.seen_clips) == (0.0, 10)
    assert (score.unseen, score.unseen_clips) == (0.5, 10)


@pytest.mark.parametrize("kind", ["single-label", "multi-label", "dimensions"])
def test_every_task_has_a_report(kind: str, walks: dict[str, Walk]) -> None:
    walk = walks[kind]
    data = open_data(walk.layout, "planted")
    report = head_report(walk.run, read_config(Path(walk.run)), data, torch.device("cpu"))
    assert list(report.heads) == list(SUB_TASKS)
