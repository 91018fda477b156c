"""A run that is killed, wherever it is, and resumed ends with the bytes of one that was left alone.

A moment is counted, not timed (train_at.py): a step that is learnt, a file of the run that is
opened, renamed, removed.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors import SafetensorError
from support.planted import Planted, planted_clips

from semanticmac.cache.layout import CacheLayout
from semanticmac.model.config import ModelConfig
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.weights import load_run
from semanticmac.train import checkpoint
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.checkpoint import Checkpointer, CheckpointMetadata
from semanticmac.train.config import ConfigError, TrainConfig, override
from semanticmac.train.data import TrainData, TrainError, open_data, with_dialogue
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.logger import EpochLog, RunLog
from semanticmac.train.loop import train
from semanticmac.train.trainer import Trainer

CPU = torch.device("cpu")
ALL_MOMENTS = "SEMANTICMAC_ALL_MOMENTS" in os.environ
SETTINGS: dict[str, Any] = {
    **{"epochs": 3, "batch_size": 4, "accumulate": 2, "clip_norm": 1.0, "schedule": "cosine"},
    **{"modality_dropout": 0.2, "seed": 5},
}


def clips_of_two_widths() -> list[Planted]:
    """Vision is 8 wide, audio 5."""
    clips = []
    for clip in planted_clips("regression"):
        assert clip.audio is not None
        clips.append(replace(clip, audio=clip.audio[:, :5]))
    return clips


@pytest.fixture(scope="module")
def layout(planted: Callable[..., CacheLayout]) -> CacheLayout:
    return planted(clips=clips_of_two_widths())


@pytest.fixture(scope="module")
def data(layout: CacheLayout) -> TrainData:
    return open_data(layout, "planted")


@pytest.fixture(scope="module")
def settings(small: dict[str, Any], families: dict[str, str]) -> dict[str, Any]:
    return small | SETTINGS | {"language": families["bert"]}


@pytest.fixture(scope="module")
def config(settings: dict[str, Any]) -> TrainConfig:
    return override(TrainConfig("planted"), settings)


def run_to_end(config: TrainConfig, data: TrainData, run: Path, **options: Any) -> RunInfo:
    shown: list[int] = []
    info = train(
        config,
        data,
        run,
        CPU,
        Callbacks(on_epoch=lambda line: shown.append(line.epoch)),
        save_every_s=0.0,
        **options,
    )
    assert shown in (
        [],
        list(range(1, config.epochs + 1)),
    )  # those before the stop too, or it was finished
    return info


Kill = Callable[
    ..., tuple[int, int]
]  # (run, kill_at, resume=False) → exit status, moments that it saw


@pytest.fixture(scope="module")
def in_child(layout: CacheLayout, settings: dict[str, Any]) -> Iterator[Kill]:
    """Trains in a process that dies just before moment `kill_at`; see train_at.py."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "train_at.py")],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True},
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        words, answers = child.stdin, child.stdout

        def kill(run: Path, kill_at: int, resume: bool = False) -> tuple[int, int]:
            job = {
                "cache": str(layout.root),
                "settings": settings,
                "run": str(run),
                "kill_at": kill_at,
                "resume": resume,
            }
            words.write(json.dumps(job) + "\n")
            words.flush()
            status, moments = json.loads(answers.readline())
            return status, moments

        yield kill
        words.close()


def files_of(run: Path) -> dict[str, bytes]:
    """All files but the one that holds measured seconds."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "step_cost.json"
    }


@pytest.fixture(scope="module")
def undisturbed(in_child: Kill, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A finished run, and its moments."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    status, moments = in_child(run, 0)
    assert status == 0
    return run, moments


def test_a_run_has_moments_of_every_kind(
    undisturbed: tuple[Path, int], config: TrainConfig
) -> None:
    run, moments = undisturbed
    model = RunInfo.read(run).model
    assert (model.vision_width, model.audio_width) == (8, 5)
    steps = config.epochs * 3  # 24 clips, batches of 4, two a step
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
    config: TrainConfig,
    data: TrainData,
    tmp_path: Path,
) -> None:
    whole, moments = undisturbed
    run = tmp_path / "run"
    status, _ = in_child(run, 1 + int(share * moments))
    assert status == -signal.SIGKILL
    run_to_end(config, data, run, resume=True)
    assert files_of(run) == files_of(whole)


def test_killed_again_and_again(
    in_child: Kill,
    undisturbed: tuple[Path, int],
    config: TrainConfig,
    data: TrainData,
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
    in_child: Kill, config: TrainConfig, data: TrainData, tmp_path: Path
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
    undisturbed: tuple[Path, int], config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed[0], run)
    before = files_of(run)
    info = train(
        config,
        data,
        run,
        CPU,
        Callbacks(on_epoch=lambda _: pytest.fail("an epoch was trained")),
        resume=True,
    )
    assert info == RunInfo.read(undisturbed[0])
    assert files_of(run) == before


def test_other_settings_data_or_processes_are_refused(
    in_child: Kill,
    config: TrainConfig,
    data: TrainData,
    planted: Callable[..., CacheLayout],
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    before = files_of(run)

    def go_on(config: TrainConfig, data: TrainData) -> None:
        train(config, data, run, CPU, resume=True)

    with pytest.raises(ConfigError, match=r"was trained with lr_rest=0\.01, asked for is 0\.02"):
        go_on(override(config, {"lr_rest": 0.02}), data)
    other = open_data(planted(clips=clips_of_two_widths()), "planted")
    row = replace(other.train.rows[0], text="another text")
    other.train.rows = (row, *other.train.rows[1:])
    with pytest.raises(TrainError, match="have changed in the cache"):
        go_on(config, other)
    found = checkpoint.load(run)
    assert found is not None
    two = replace(found.metadata, processes=2)
    checkpoint.save(run, replace(found, metadata=two))
    with pytest.raises(TrainError, match="torchrun --nproc-per-node=2"):
        go_on(config, data)
    checkpoint.save(run, found)
    assert files_of(run) == before


def test_a_training_that_begins_anew_does_not_go_on_with_an_older_one(
    in_child: Kill, config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    assert checkpoint.load(run) is not None
    with pytest.raises(KeyboardInterrupt):
        train(replace(config, seed=9), data, run, CPU, Callbacks(progress=stop))
    assert checkpoint.load(run) is None


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_processes_do_not_train_in_one_folder(
    undisturbed: tuple[Path, int], config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with (
        checkpoint.training_folder(run),
        pytest.raises(TrainError, match="another process is training in"),
    ):
        run_to_end(config, data, run)
    shutil.rmtree(run)
    run_to_end(config, data, run)
    assert files_of(run) == files_of(undisturbed[0])


def test_a_broken_checkpoint_is_named(
    in_child: Kill, config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    path = run / "checkpoint" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainError, match=r"state\.safetensors cannot be read"):
        run_to_end(config, data, run, resume=True)


def test_weights_and_description_of_two_epochs_are_not_taken_for_one_model(
    undisturbed: tuple[Path, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed[0], run)
    info = RunInfo.read(run)
    replace(info, best_epoch=info.best_epoch + 1).write(run)
    with pytest.raises(RunError, match=f"while it saved epoch {info.best_epoch}"):
        load_run(run, CPU)


def test_steps_saved_or_not_learn_the_same(
    undisturbed: tuple[Path, int], config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(config, data, run, CPU)  # Too short for a checkpoint.
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
    data: TrainData,
    epoch_s: int,
    save_every_s: float,
    saved_after: set[int],
) -> None:
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    metadata = CheckpointMetadata.of_new_run(data, SINGLE_PROCESS)
    checkpointer = Checkpointer(None, metadata, save_every_s, lambda: False)
    saved: set[int] = set()
    log = SimpleNamespace(flush_to_disk=lambda: saved.add(epoch) or 0)
    for epoch in range(1, max(saved_after) + 1):
        now += epoch_s
        trainer = SimpleNamespace(epoch=epoch, epoch_steps=0, best=None)
        checkpointer.after_epoch(cast("Trainer", trainer), cast("RunLog", log))
    assert saved == saved_after


def test_ctrl_c_at_the_end_of_a_short_epoch_saves_it(
    config: TrainConfig, data: TrainData, undisturbed: tuple[Path, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    callbacks = Callbacks(on_epoch=lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(config, data, run, CPU, callbacks)
    saved = checkpoint.load(run)
    assert saved is not None and (saved.metadata.epoch, saved.metadata.steps) == (2, 0)
    run_to_end(config, data, run, resume=True)
    assert files_of(run) == files_of(undisturbed[0])


def test_a_run_killed_after_epochs_without_a_checkpoint_ends_with_the_same_files(
    config: TrainConfig, data: TrainData, undisturbed: tuple[Path, int], tmp_path: Path
) -> None:
    """Its weights, log and pseudo labels are those of epochs that are trained again."""
    run = tmp_path / "run"

    def kill(line: EpochLog) -> None:
        if line.epoch == 2:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(config, data, run, CPU, Callbacks(on_epoch=kill))
    assert checkpoint.load(run) is None and (run / "run.json").exists()
    run_to_end(config, data, run, resume=True)
    assert files_of(run) == files_of(undisturbed[0])


def test_other_clips_before_a_clip_are_other_data(planted: Callable[..., CacheLayout]) -> None:
    """They may stand in no split that training sees, as a corpus has them for context alone."""
    data = open_data(planted(), "planted")
    before = with_dialogue(data, ModelConfig(setting="conversation", context_clips=2))
    row = before.train.context_rows[1][0]
    assert row.dialogue == before.train.rows[1].dialogue
    digest = before.digest
    before.train.context_rows[1] = (
        replace(row, text="another text"),
        *before.train.context_rows[1][1:],
    )
    assert before.digest != digest


def test_other_threads_are_said(
    in_child: Kill, config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run, notes = tmp_path / "run", list[str]()
    in_child(run, 60)
    found = checkpoint.load(run)
    assert found is not None
    threads = found.metadata.threads + 1
    checkpoint.save(run, replace(found, metadata=replace(found.metadata, threads=threads)))
    train(config, data, run, CPU, Callbacks(on_note=notes.append), resume=True)
    now = torch.get_num_threads()
    assert f"begun with {threads} CPU threads, resumed with {now}: last bits may differ" in notes


def test_a_log_that_is_gone_is_named(
    in_child: Kill, config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    (run / "log.jsonl").unlink()
    with pytest.raises(
        TrainError, match=r"log\.jsonl is shorter than when the checkpoint was made"
    ):
        run_to_end(config, data, run, resume=True)
