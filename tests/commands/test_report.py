"""The command report: refusals before any work, and analyses that are left out."""

from __future__ import annotations

from typer.testing import CliRunner

from semanticmac.cli import app
from semanticmac.run.export import export_run


def refused(*words: object) -> str:
    """What the program says, in one line, of words that it cannot do anything with."""
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "1000"})
    assert done.exit_code != 0, done.output
    return (
        str(done.exception)
        if type(done.exception) is not SystemExit
        else " ".join(done.output.split())
    )


def test_a_report_that_cannot_be_written_is_refused_before_it_is_made(walks, tmp_path, monkeypatch):
    walk = walks["binary"]
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        "semanticmac.commands.report.err", None
    )  # the progress of an analysis would need it
    said = refused(
        "report", walk.run, "--cache", walk.layout.root, "--to", tmp_path / "file/page.html"
    )
    assert (
        f"{tmp_path / 'file/page.html'} cannot be written" in said
        and "name another file with --to" in said
    )


def test_a_report_names_what_it_leaves_out_and_why(walks, tmp_path, monkeypatch):
    walk = walks["binary"]
    export_run(walk.run, tmp_path / "model")  # pseudo labels are no part of it
    monkeypatch.setattr("semanticmac.eval.report.page.ANALYSES", ("calibration", "labels"))
    words = [
        "report",
        str(tmp_path / "model"),
        "--cache",
        str(walk.layout.root),
        "--to",
        str(tmp_path / "page.html"),
    ]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "1000"})
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert "note: labels is left out: " in said and "failed" not in said
    assert "calibration" not in said and (tmp_path / "page.html").exists()
