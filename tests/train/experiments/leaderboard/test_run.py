"""A leaderboard from start to end: every kind of task, a kill, two processes, a failing model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.planted import Walk
from support.program import semanticmac

from semanticmac.eval.leaderboard.result import Leaderboard
from semanticmac.run.folder import FAILURE
from semanticmac.train.experiments.leaderboard.scored import FILE

KINDS = ("regression", "single-label", "multi-label", "binary")
FIXED = ("epochs=1", "batch_size=8", "max_tokens=16", "freeze_language=true")


def words(walk: Walk, folder: Path, models: str, *more: object) -> list[str]:
    language = walk.layout.root.parents[1] / "bert"
    line: list[object] = ["leaderboard", "--dataset", "planted", "--cache", walk.layout.root]
    line += ["--runs", folder, "--models", models, "--seeds", 2, "--device", "cpu"]
    for setting in (*FIXED, f"language={language}"):
        line += ["--set", setting]
    return [str(word) for word in [*line, *more]]


def result(folder: Path) -> Leaderboard:
    return Leaderboard.read(folder / "leaderboard-planted" / "result.json")


def without_times(folder: Path) -> str:
    """The result file without what depends on the machine's load."""
    content = json.loads((folder / "leaderboard-planted" / "result.json").read_text())
    content["device"] = None
    for row in content["rows"]:
        row["cost"]["seconds_per_epoch"] = row["cost"]["peak_memory_bytes"] = None
    return json.dumps(content)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_task_has_a_table(walks: dict[str, Walk], kind: str, tmp_path: Path) -> None:
    answer = semanticmac(tmp_path, *words(walks[kind], tmp_path, "audio,svm,concat", "--trials", 2))
    board = result(tmp_path)
    rows = {row.name: row for row in board.rows}
    names = [row.name for row in board.rows if row.kind != "constant"]
    assert names == ["audio", "svm", "concat"] and board.rows[0].kind == "constant"
    assert sorted(row.rank for row in rows.values() if row.rank) == [1, 2, 3]
    assert [row.against is None for row in rows.values() if row.rank == 1] == [True]
    for name in names:
        assert len(rows[name].seeds) == 2 and rows[name].trials == 2 and rows[name].space
        assert all(seed.failure is None for seed in rows[name].seeds)
    assert rows["svm"].seeds[0].metrics == rows["svm"].seeds[1].metrics
    trained = rows["concat"].cost
    assert trained.parameters and trained.trained_parameters
    assert trained.trained_parameters < trained.parameters and trained.seconds_per_epoch
    # The runs keep settings and scores, not weights.
    seed = next((tmp_path / "leaderboard-planted/concat").glob("*-seed-1"))
    assert (seed / "config.toml").exists() and not (seed / "model.safetensors").exists()
    assert "expected time" in answer.stderr and "concat" in answer.stdout

    if kind != "regression":
        return
    # The same command trains nothing again.
    before = without_times(tmp_path)
    again = semanticmac(tmp_path, *words(walks[kind], tmp_path, "audio,svm,concat", "--trials", 2))
    assert "expected time" not in again.stderr and without_times(tmp_path) == before


def test_killed_and_shared_leaderboards_end_as_an_undisturbed_one(
    walks: dict[str, Walk], tmp_path: Path
) -> None:
    walk = walks["regression"]
    line = words(walk, tmp_path / "whole", "audio,concat", "--trials", 2)
    semanticmac(tmp_path, *line)

    line = words(walk, tmp_path / "killed", "audio,concat", "--trials", 2)
    program = [sys.executable, "-m", "semanticmac.cli", *line]
    folder = tmp_path / "killed" / "leaderboard-planted"
    # As many threads as in this process: sums in another order differ in the last digit.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    silent = subprocess.DEVNULL
    first = subprocess.Popen(program, stdout=silent, stderr=silent, env=environment)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not list(folder.glob("audio/*-seed-1")):
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (folder / "result.json").exists()

    both = [subprocess.Popen(program, stdout=silent, env=environment) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    assert without_times(tmp_path / "killed") == without_times(tmp_path / "whole")


def test_a_model_that_fails_is_a_row_with_its_reason(
    walks: dict[str, Walk], tmp_path: Path
) -> None:
    walk = walks["regression"]
    line = words(walk, tmp_path, "audio,vision", "--trials", 0)
    semanticmac(tmp_path, *line)
    [seed] = (tmp_path / "leaderboard-planted/audio").glob("*-seed-2")
    (seed / FILE).unlink()
    (seed / FAILURE).write_text("the loss became nan\n")
    answer = semanticmac(tmp_path, *line, expect=3)
    assert "audio, seed 2 failed: the loss became nan" in answer.stdout
    assert [each.failure for each in result(tmp_path).rows[2].seeds] == [
        None,
        "the loss became nan",
    ]


@pytest.mark.parametrize(
    ("models", "setting", "message"),
    [
        ("audoi", "epochs=1", "there is no model 'audoi'; did you mean audio?"),
        ("audio,text", "hidden=3", "the model text has no such setting"),
        ("text", "outputs=3", "outputs is no setting to choose"),
    ],
)
def test_wrong_requests_are_refused_in_words(
    walks: dict[str, Walk], models: str, setting: str, message: str, tmp_path: Path
) -> None:
    line = words(walks["regression"], tmp_path, models, "--set", setting)
    assert message in " ".join(semanticmac(tmp_path, *line, expect=2).stderr.split())
