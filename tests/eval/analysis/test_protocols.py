"""protocols: the curves that a run folder holds, in one picture."""

from __future__ import annotations

import json
import shutil

import pytest

from semanticmac.eval.analysis.catalogue import AnalysisError, analysis
from semanticmac.eval.missing.curve import curve_path, score_missing
from semanticmac.eval.missing.request import MissingRequest
from semanticmac.run.digests import WEIGHTS


def test_stored_curves_are_drawn_and_those_of_other_weights_are_not(walks, tmp_path):
    walk = walks["regression"]
    data = walk.open()
    run = shutil.copytree(walk.run, tmp_path / "run")
    with pytest.raises(AnalysisError, match="eval --missing all"):
        analysis("protocols")(data, run, "test")

    weights = data.trained.info.files[WEIGHTS]
    for protocol in ("own", "block"):
        request = MissingRequest(protocol, draws=2, rates=(0.0, 0.9))
        score_missing(data, "test", request).write(run, weights)
    result = analysis("protocols")(data, run, "test")
    assert {row[2] for row in result.tables[""].rows} == {"own", "block"}
    names = {path.name for path in result.write(tmp_path)}
    assert names == {"protocols.png", "protocols.svg", "protocols.csv"}

    path = curve_path(run, "own", "test")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"weights": "0" * 64}))
    result = analysis("protocols")(data, run, "test")
    assert {row[2] for row in result.tables[""].rows} == {"block"}

    path = curve_path(run, "block", "test")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"text": "unk"}))
    analysis("protocols")(data, run, "test").write(tmp_path)
    assert "block, unk" in (tmp_path / "protocols.svg").read_text()
