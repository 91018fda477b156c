"""The run that was trained last."""

from __future__ import annotations

import shutil

import pytest

from semanticmac.run.folder import RunError
from semanticmac.run.newest import newest_run


def test_a_dataset_without_a_run_names_those_that_have_one(walks, tmp_path):
    run = shutil.copytree(walks["binary"].run, tmp_path / "runs/planted-001")
    assert newest_run(tmp_path / "runs", "planted") == run
    with pytest.raises(
        RunError, match=r"no trained model of planetd \(but of planted\); did you mean planted\?"
    ):
        newest_run(tmp_path / "runs", "planetd")
    with pytest.raises(
        RunError, match=r"of mosi \(but of planted\): `semanticmac train --dataset mosi` makes one"
    ):
        newest_run(tmp_path / "runs", "mosi")
