"""A run that is killed, wherever it is, and resumed ends with the bytes of one that was left alone.

A moment is counted, not timed (train_at.py): a step that is learnt, a file of the run that is
opened, renamed, removed.
"""

import errno
import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from safetensors import SafetensorError
from support.resume import CPU, Kill, files_of, run_to_end

from semanticmac.run.folder import RunInfo
from semanticmac.train import checkpoint
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.checkpoint import Checkpointer, CheckpointMetadata
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.logger import EpochLog, RunLog
from semanticmac.train.loop import train
from semanticmac.train.trainer import Trainer

ALL_MOMENTS = "SEMANTICMAC_ALL_MOMENTS" in os.environ


def test_a_run_has_moments_of_every_kind(
    undisturbed: tuple[Path, int], resume_config: TrainConfig
) -> None:
    run, moments = undisturbed
    model = RunInfo.read(run).model
    assert (model.vision_width, model.audio_width) == (8, 5)
    steps = resume_config.epochs * 3  # 24 clips, batches of 4, two a step
    assert moments > steps * 3  # a step, its checkpoint written aside and renamed
    assert not (run / "checkpoint").exists()
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "step" in line] == list(range(1, steps + 1))
    assert [line["epoch"] for line in lines if "step" not in line] == [1, 2, 3]


@pytest.mark.parametrize(
    "share", [i / 30 for i in range(30)] if ALL_MOMENTS else [0.0, 0.27, 0.55, 0.8, 0.995]
)
def test_killed_anywhere_and_resumed(
    in_child: Kill,
    share: float,
    undisturbed: tuple[Path, int],
    resume_config: TrainConfig,
    resume_data: TrainData,
    tmp_path: Path,
) -> None:
    whole, moments = undisturbed
    run = tmp_path / "run"
    status, _ = in_child(run, 1 + int(share * moments))
    assert status == -signal.SIGKILL
    run_to_end(resume_config, resume_data, run, resume=True)
    assert files_of(run) == files_of(whole)


def test_killed_again_and_again(
    in_child: Kill,
    undisturbed: tuple[Path, int],
    resume_config: TrainConfig,
    resume_data: TrainData,
    tmp_path: Path,
) -> None:
    """Each try gets a little further than its own start, which takes moments too."""
    run = tmp_path / "run"
    tries = 0
    while in_child(run, 60, resume=True)[0]:
        tries += 1
        assert tries < 60
    assert tries > 2
    assert files_of(run) == files_of(undisturbed[0])


def test_a_checkpoint_half_written_is_not_there(
    in_child: Kill, resume_config: TrainConfig, resume_data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    before = files_of(run)
    found = checkpoint.load(run)
    assert found is not None
    with (
        pytest.raises(OSError, match="No space") as stopped,
        pytest.MonkeyPatch.context() as patched,
    ):

        def full(_: object, path: Path, *__: object) -> None:
            path.write_bytes(b"half")
            raise SafetensorError(
                "Error while serializing: I/O error: No space left on device (os error 28)"
            )

        patched.setattr(checkpoint, "save_file", full)
        checkpoint.save(run, found)
    assert stopped.value.errno == errno.ENOSPC
    assert stopped.value.filename == str(run / "checkpoint" / "state.safetensors")
    assert files_of(run) == before


def test_a_finished_run_stays_as_it_is(
    undisturbed: tuple[Path, int],
    resume_config: TrainConfig,
    resume_data: TrainData,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed[0], run)
    before = files_of(run)
    info = train(
        resume_config,
        resume_data,
        run,
        CPU,
        Callbacks(on_epoch=lambda _: pytest.fail("an epoch was trained")),
        resume=True,
    )
    assert info == RunInfo.read(undisturbed[0])
    assert files_of(run) == before


def test_steps_saved_or_not_learn_the_same(
    undisturbed: tuple[Path, int],
    resume_config: TrainConfig,
    resume_data: TrainData,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    train(resume_config, resume_data, run, CPU)  # Too short for a checkpoint.
    assert files_of(run) == files_of(undisturbed[0])


@pytest.mark.parametrize(
    ("epoch_s", "save_every_s", "saved_after"),
    [
        (1, 600.0, {30, 60, 90}),  # many short epochs share a checkpoint
        (40, 600.0, {1, 2, 3}),  # each long epoch ends with one
        (1, 10.0, {10, 20, 30, 40, 50, 60, 70, 80, 90}),
        (1, 0.0, set(range(1, 91))),
    ],
)
def test_an_epoch_ends_with_a_checkpoint_if_the_last_one_is_older_than_30_s(
    monkeypatch: pytest.MonkeyPatch,
    resume_data: TrainData,
    epoch_s: int,
    save_every_s: float,
    saved_after: set[int],
) -> None:
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    metadata = CheckpointMetadata.of_new_run(resume_data, SINGLE_PROCESS)
    checkpointer = Checkpointer(None, metadata, save_every_s, lambda: False)
    saved: set[int] = set()
    log = SimpleNamespace(flush_to_disk=lambda: saved.add(epoch) or 0)
    for epoch in range(1, max(saved_after) + 1):
        now += epoch_s
        trainer = SimpleNamespace(epoch=epoch, epoch_steps=0, best=None)
        checkpointer.after_epoch(cast("Trainer", trainer), cast("RunLog", log))
    assert saved == saved_after


def test_ctrl_c_at_the_end_of_a_short_epoch_saves_it(
    resume_config: TrainConfig,
    resume_data: TrainData,
    undisturbed: tuple[Path, int],
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    callbacks = Callbacks(on_epoch=lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(resume_config, resume_data, run, CPU, callbacks)
    saved = checkpoint.load(run)
    assert saved is not None and (saved.metadata.epoch, saved.metadata.steps) == (2, 0)
    run_to_end(resume_config, resume_data, run, resume=True)
    assert files_of(run) == files_of(undisturbed[0])


def test_a_run_killed_after_epochs_without_a_checkpoint_ends_with_the_same_files(
    resume_config: TrainConfig,
    resume_data: TrainData,
    undisturbed: tuple[Path, int],
    tmp_path: Path,
) -> None:
    """Its weights, log and pseudo labels are those of epochs that are trained again."""
    run = tmp_path / "run"

    def kill(line: EpochLog) -> None:
        if line.epoch == 2:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(resume_config, resume_data, run, CPU, Callbacks(on_epoch=kill))
    assert checkpoint.load(run) is None and (run / "run.json").exists()
    run_to_end(resume_config, resume_data, run, resume=True)
    assert files_of(run) == files_of(undisturbed[0])
