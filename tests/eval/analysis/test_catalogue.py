"""Every analysis from a cache and a run to its files."""

from __future__ import annotations

import csv
import shutil
import xml.etree.ElementTree as ET

import pytest
from typer.testing import CliRunner

from semanticmac.cli import app
from semanticmac.eval.analysis import labels
from semanticmac.eval.analysis.catalogue import ANALYSES, AnalysisError, analysis
from semanticmac.eval.analysis.figure import thinned


@pytest.mark.parametrize("kind", ["regression", "single-label", "multi-label", "binary"])
def test_every_analysis_leaves_pictures_and_numbers(walks, kind, tmp_path):
    walk = walks[kind]
    data = walk.open()
    # The slow ones once: what they draw does not depend on the kind of label, and the other tests
    # score by it.
    names = ANALYSES if kind == "regression" else ("calibration", "cases", "probe")
    for name in names:
        if name in ("protocols", "conflict"):
            continue  # They need stored curves, or labels of single modalities.
        written = analysis(name)(data, walk.run, "test").write(tmp_path)
        assert {path.suffix for path in written} == {".png", ".svg", ".csv"} and written[
            0
        ].name.startswith(name)
        for path in written:
            if path.suffix == ".svg":
                ET.parse(path)
            if path.suffix == ".csv":
                header, first, *_ = list(csv.reader(path.open()))
                assert len(header) == len(first) and "nan" not in path.read_text()


def test_two_runs_of_an_analysis_leave_the_same_bytes(walks, tmp_path):
    for side in ("a", "b"):
        walk = walks["regression"]
        analysis("calibration")(walk.open(), walk.run, "test").write(tmp_path / side)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_what_a_run_cannot_have_is_said(walks, tmp_path):
    walk = walks["regression"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    shutil.rmtree(run / "pseudo_labels")
    with pytest.raises(AnalysisError, match="kept no pseudo labels"):
        labels.analyse(walk.open(), run, "test")
    with pytest.raises(AnalysisError, match="there is no analysis 'ballance'"):
        analysis("ballance")
    done = CliRunner().invoke(
        app, ["analyze", "calibration", "--run", str(run), "--cache", str(walk.layout.root)]
    )
    assert done.exit_code == 0 and (run / "analysis/calibration.svg").exists()
    assert list(thinned(3, 5)) == [0, 1, 2] and list(thinned(10, 5)) == [0, 2, 4, 6, 8]
