"""The command analyze prints its results below the progress bars."""

from __future__ import annotations

import io
import shutil

import pytest
from rich.console import Console
from support.program import semanticmac

from semanticmac.commands import analyze as verb
from semanticmac.eval.analysis.catalogue import AnalysisError


def test_results_stand_on_lines_of_their_own_below_the_bars(walks, tmp_path, monkeypatch):
    walk = walks["regression"]
    terminal = io.StringIO()  # both streams end in one terminal
    for name in ("out", "err"):
        monkeypatch.setattr(
            verb, name, Console(file=terminal, force_terminal=True, width=80, color_system=None)
        )
    names = ["calibration", "labels"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    verb.analyze(names, run=run, cache=walk.layout.root)
    below = terminal.getvalue().rpartition("2/2")[2].replace("\x1b[?25h", "").splitlines()[1:]
    assert [line.partition(":")[0] for line in below if ":" in line] == names
    shutil.rmtree(run / "pseudo_labels")  # what was done before one fails is told all the same
    with pytest.raises(AnalysisError, match="kept no pseudo labels"):
        verb.analyze(names, run=run, cache=walk.layout.root)
    below = terminal.getvalue().rpartition("1/2")[2].replace("\x1b[?25h", "").splitlines()[1:]
    assert [line.partition(":")[0] for line in below if ":" in line] == names[:1]


def test_balance_of_several_runs(walks, tmp_path):
    walk = walks["regression"]
    words = ("--run", walk.run, "--beside", walk.run, "--cache", walk.layout.root, "--to", "out")
    answer = semanticmac(tmp_path, "analyze", "balance", *words)
    assert "balance-beside.png" in "".join(answer.stdout.split())
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["balance-beside.csv", "balance-beside.png", "balance-beside.svg"]
    answer = semanticmac(tmp_path, "analyze", "labels", *words, expect=2)
    assert "in `analyze balance` and `analyze conflict` alone" in " ".join(answer.stderr.split())
