"""A sweep in a folder that cannot be locked or written says so."""

from pathlib import Path

import pytest
from support.locks import NO_LOCKS, NOT_WRITABLE, refuse, refuse_locks

from semanticmac.train.config import ConfigError
from semanticmac.train.experiments.optuna_study import Draws
from semanticmac.train.experiments.search_space import Range

SPACE = {"lr": Range(1e-4, 1e-2, log=True)}


@pytest.mark.parametrize("code", NO_LOCKS)
def test_a_sweep_without_locks_is_named(tmp_path, monkeypatch, code):
    refuse_locks(monkeypatch, code)
    with pytest.raises(ConfigError, match=r"does not support locks \(NFS\?\).*give --runs"):
        Draws.open(tmp_path / "sweep", SPACE, "random", 1, {}, maximise=True)


@pytest.mark.parametrize("code", NOT_WRITABLE)
def test_a_sweep_in_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, code):
    refuse(monkeypatch, Path, "mkdir", code)
    with pytest.raises(ConfigError, match=r"cannot be written .*give --runs another folder"):
        Draws.open(tmp_path / "sweep", SPACE, "random", 1, {}, maximise=True)
