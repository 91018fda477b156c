"""The command leaderboard: options that belong together."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from semanticmac.cli import app


@pytest.mark.parametrize("others", [["--seeds", "3"], ["--models", "text"], ["--plan"]])
def test_options_that_a_page_would_ignore_are_refused(others: list[str]) -> None:
    done = CliRunner().invoke(
        app, ["leaderboard", "--results", "a.json", "--to", "b.md", *others], env={"COLUMNS": "200"}
    )
    assert done.exit_code == 2
    assert f"write a page and train nothing: leave out {others[0]}" in " ".join(done.output.split())
