"""The lock of a run folder, and what is said where there can be none."""

import os
from pathlib import Path

import pytest
from support.locks import NO_LOCKS, NOT_WRITABLE, refuse, refuse_locks

from semanticmac.train.checkpoint import training_folder
from semanticmac.train.data import TrainError


@pytest.mark.parametrize("code", NO_LOCKS)
def test_a_run_folder_without_locks_is_named(tmp_path, monkeypatch, code):
    refuse_locks(monkeypatch, code)
    message = r"does not support locks \(NFS\?\).*give --run a folder on another disk"
    with pytest.raises(TrainError, match=message), training_folder(tmp_path):
        pass


@pytest.mark.parametrize("code", NOT_WRITABLE)
def test_a_run_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, code):
    refuse(monkeypatch, Path, "mkdir", code)
    message = rf"cannot be written \({os.strerror(code)}\): give --run another folder"
    with pytest.raises(TrainError, match=message), training_folder(tmp_path):
        pass


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    with (
        training_folder(tmp_path),
        pytest.raises(TrainError, match="another process is training"),
        training_folder(tmp_path),
    ):
        pass
