"""Runs the program `semanticmac` in this process, as a shell would run it in a folder."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from semanticmac import cli


@dataclass(frozen=True)
class Answer:
    """What the program wrote."""

    stdout: str
    stderr: str


def semanticmac(folder: Path, *words: object, expect: int = 0) -> Answer:
    """Runs one command line in `folder` and checks its exit code.

    It runs in this process, because a new process would import torch each time.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        patch.setattr(sys, "argv", ["semanticmac", *map(str, words)])
        patch.setenv("COLUMNS", "160")
        with pytest.raises(SystemExit) as exit_:
            cli.main()
    answer = Answer(stdout.getvalue(), stderr.getvalue())
    assert exit_.value.code == expect, (
        f"exit code {exit_.value.code}\n{answer.stdout}\n{answer.stderr}"
    )
    return answer
