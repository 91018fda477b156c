"""A folder without a usable run is refused with what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.planted import Walk

import semanticmac
from semanticmac.run.folder import RunError, RunInfo


@pytest.fixture
def sweep(walks: dict[str, Walk], tmp_path: Path) -> Path:
    """Three trials of a sweep; only trial-0001, the best one, keeps its weights."""
    folder = tmp_path / "runs/sweep-planted"
    for number in range(3):
        trial = shutil.copytree(walks["regression"].run, folder / f"trial-{number:04d}")
        if number != 1:
            (trial / "model.safetensors").unlink()
            shutil.rmtree(trial / "language")
    shutil.copy(folder / "trial-0001/config.toml", folder / "best.toml")
    return folder


def test_a_folder_that_is_no_run_says_what_it_is(walks, sweep, tmp_path):
    """A missing path, a file, a folder of runs, a sweep, an unfinished run: each has its advice."""
    root = sweep.parent
    shutil.copytree(walks["binary"].run, root / "planted-001")
    (root / "planted-002/checkpoint").mkdir(parents=True)
    (root / "planted-002/config.toml").touch()
    (root / "empty").mkdir()
    for folder, message in {
        root / "nowhere": r"nowhere does not exist: `semanticmac runs` lists",
        root / "planted-001/run.json": r"run\.json is a file, and a run is a folder",
        root: r"runs is a folder of 1 runs, not a run: give one of them, as .*runs/planted-001$",
        sweep: r"folder of 3 runs, not a run: the best of them keeps its weights, .*trial-0001$",
        root / "planted-002": r"no trained model yet: `semanticmac train --resume .*planted-002`",
        root / "empty": r"\(no run\.json\): `semanticmac train --from-cache` makes one",
    }.items():
        with pytest.raises(RunError, match=message):
            RunInfo.read(folder)
    with pytest.raises(RunError, match="nowhere does not exist"):
        semanticmac.load(root / "nowhere")


def test_a_run_json_of_another_version_is_named(walks, tmp_path):
    run = shutil.copytree(walks["binary"].run, tmp_path / "run")
    about = json.loads((run / "run.json").read_text())
    for text in (
        json.dumps({k: v for k, v in about.items() if k != "data"}),
        json.dumps(about | {"task": 3}),
        "{",
        "3",
    ):
        (run / "run.json").write_text(text)
        with pytest.raises(
            RunError, match=r"run\.json cannot be read: it is damaged, or of another version"
        ):
            RunInfo.read(run)
