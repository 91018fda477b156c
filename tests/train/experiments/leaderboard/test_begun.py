"""A folder that holds a leaderboard already: what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.planted import TASKS, planted_clips, save_family, write_corpus
from support.program import Answer, semanticmac

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.eval.leaderboard.result import Leaderboard

BOARD = "leaderboard-planted"
FIXED = ("batch_size=8", "max_tokens=16", "freeze_language=true")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small BERT and a cache."""
    root = tmp_path_factory.mktemp("planted")
    torch.manual_seed(0)
    save_family("bert", root / "bert")
    write_corpus(root / "cache", TASKS["regression"], planted_clips("regression"))
    return root


def leaderboard(planted: Path, runs: Path, models: str, *more: object, expect: int = 0) -> Answer:
    line: list[object] = ["leaderboard", "--dataset", "planted", "--cache", planted / "cache"]
    line += ["--runs", runs, "--models", models, "--seeds", 1, "--device", "cpu"]
    for setting in (*FIXED, f"language={planted / 'bert'}"):
        line += ["--set", setting]
    return semanticmac(runs, *line, *more, expect=expect)


def rows(runs: Path) -> dict[str, object]:
    board = Leaderboard.read(runs / BOARD / "result.json")
    return {row.name: (row.trials, row.mean(board.main)) for row in board.rows}


def refusal(answer: Answer) -> str:
    return " ".join(answer.stderr.split())


def test_seeds_with_other_settings_are_refused(planted: Path, tmp_path: Path) -> None:
    first = ("--trials", 0, "--set", "epochs=1")
    leaderboard(planted, tmp_path, "audio,svm", *first)
    before = rows(tmp_path)

    more_epochs = ("--trials", 0, "--set", "epochs=2")
    answer = leaderboard(planted, tmp_path, "vision,audio", *more_epochs, expect=2)
    assert "audio/default-seed-1 was trained with epochs=1, asked for is 2" in refusal(answer)
    # Nothing was trained before the refusal.
    assert not (tmp_path / BOARD / "vision").exists()

    pooling = (*first, "--set", "pooling=first")
    answer = leaderboard(planted, tmp_path, "svm", *pooling, expect=2)
    assert "svm/default-seed-1 was fitted with pooling=auto, asked for is first" in refusal(answer)

    leaderboard(planted, tmp_path, "audio,svm", *first)
    assert rows(tmp_path) == before


def test_svm_trials_with_other_settings_are_refused(planted: Path, tmp_path: Path) -> None:
    leaderboard(planted, tmp_path, "svm", "--trials", 2)
    answer = leaderboard(planted, tmp_path, "svm", "--trials", 2, "--set", "max_tokens=3", expect=2)
    assert "trials.json was written with max_tokens=16, asked for is 3" in refusal(answer)


def test_an_svm_that_cannot_be_fitted_is_a_failed_row(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_family("bert", tmp_path / "bert")
    clips = []
    for clip in planted_clips("binary"):
        clips.append(replace(clip, label=[0.0]) if clip.split == "train" else clip)
    write_corpus(tmp_path / "cache", TASKS["binary"], clips)
    line = (tmp_path, tmp_path, "audio,svm", "--trials", 1, "--set", "epochs=1")
    answer = leaderboard(*line, expect=3)
    assert "svm, seed 1 failed: all its trials failed, the last one: The number" in answer.stdout
    # A trial that failed is no seed with default settings.
    answer = leaderboard(tmp_path, tmp_path, "svm", "--trials", 0, expect=2)
    assert "got 1 class" in refusal(answer)


def test_fewer_trials_are_the_first_ones_for_every_model(planted: Path, tmp_path: Path) -> None:
    leaderboard(planted, tmp_path, "audio,svm", "--trials", 3, "--set", "epochs=1")
    leaderboard(planted, tmp_path, "audio,vision,svm", "--trials", 1, "--set", "epochs=1")
    fewer = rows(tmp_path)
    assert {fewer[name][0] for name in ("audio", "vision", "svm")} == {1}  # type: ignore[index]

    alone = tmp_path / "alone"
    alone.mkdir()
    leaderboard(planted, alone, "audio,vision,svm", "--trials", 1, "--set", "epochs=1")
    assert rows(alone) == fewer


def test_seeds_that_were_scored_on_other_test_labels_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_family("bert", tmp_path / "bert")
    write_corpus(tmp_path / "cache", TASKS["regression"], planted_clips("regression"))
    first = ("--trials", 0, "--set", "epochs=1")
    leaderboard(tmp_path, tmp_path, "audio", *first)

    path = CacheLayout(tmp_path / "cache").manifest("planted")
    manifest = Manifest.read(path)
    changed = []
    for row in manifest.rows:
        changed.append(replace(row, label=[0.5]) if row.clip_id == "test3" else row)
    replace(manifest, rows=tuple(changed)).write(path)

    answer = leaderboard(tmp_path, tmp_path, "audio", *first, expect=2)
    assert "was scored on other test clips or labels than the cache has now" in refusal(answer)
