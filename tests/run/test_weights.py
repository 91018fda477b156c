"""A run without weights is refused before anything else is missed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.planted import CPU, Walk

from semanticmac.run.export import export_run
from semanticmac.run.folder import RunError
from semanticmac.run.weights import load_run

NO_WEIGHTS = r"keeps no weights: `semanticmac train --config .*` trains them again"


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


def test_a_trial_without_weights_says_so_before_its_language_model_is_missed(sweep, tmp_path):
    with pytest.raises(RunError, match=NO_WEIGHTS):
        load_run(sweep / "trial-0000", CPU)
    with pytest.raises(RunError, match=NO_WEIGHTS):
        export_run(sweep / "trial-0000", tmp_path / "model")
    assert not (tmp_path / "model").exists()
