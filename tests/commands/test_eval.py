"""The command eval says what its numbers are of: unfinished runs, and splits without a zero."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semanticmac.cli import app
from semanticmac.run.folder import RunInfo


def run_eval(*words: object) -> str:
    """What the command prints, on one line."""
    done = CliRunner().invoke(app, ["eval", *map(str, words)])
    assert done.exit_code == 0, done.output + str(done.exception)
    return " ".join(done.stdout.split())


@pytest.fixture
def runs(walks, tmp_path) -> tuple[Path, Path]:
    """(a finished run, the same run with a checkpoint)."""
    finished = shutil.copytree(walks["regression"].run, tmp_path / "a")
    unfinished = shutil.copytree(finished, tmp_path / "b")
    (unfinished / "checkpoint").mkdir()
    return finished, unfinished


def test_an_unfinished_run_is_scored_with_a_warning(walks, runs):
    finished, unfinished = runs
    cache = walks["regression"].layout.root
    epoch = RunInfo.read(unfinished).best_epoch
    warning = f"training is not finished: epoch {epoch} is scored, the best so far"
    assert warning in run_eval(unfinished, "--cache", cache)
    assert warning in json.loads((unfinished / "eval-test.json").read_text())["notes"]
    assert "not finished" not in run_eval(finished, "--cache", cache)
    for option in ((), ("--compare",)):
        text = run_eval(finished, unfinished, *option, "--cache", cache)
        assert warning in text and "a: training" not in text


def test_equal_zero_rules_are_explained_once(walks, runs):
    finished, unfinished = runs
    cache = walks["regression"].layout.root
    for option in ((), ("--compare",)):
        text = run_eval(finished, unfinished, *option, "--cache", cache)
        explained = "no label here is 0, so has-zero and non-zero metrics are equal"
        assert text.count(explained) == 1
