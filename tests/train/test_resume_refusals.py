"""A run is not resumed with other settings, data or processes, nor from damaged files."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.resume import CPU, Kill, clips_of_two_widths, files_of, run_to_end

from semanticmac.cache.layout import CacheLayout
from semanticmac.model.config import ModelConfig
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.weights import load_run
from semanticmac.train import checkpoint
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainData, TrainError, open_data, with_dialogue
from semanticmac.train.loop import train
from semanticmac.train.overrides import override


def test_other_settings_data_or_processes_are_refused(
    in_child: Kill,
    resume_config: TrainConfig,
    resume_data: TrainData,
    planted: Callable[..., CacheLayout],
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    before = files_of(run)

    def go_on(config: TrainConfig, data: TrainData) -> None:
        train(config, data, run, CPU, resume=True)

    with pytest.raises(ConfigError, match=r"was trained with lr_rest=0\.01, asked for is 0\.02"):
        go_on(override(resume_config, {"lr_rest": 0.02}), resume_data)
    other = open_data(planted(clips=clips_of_two_widths()), "planted")
    row = replace(other.train.rows[0], text="another text")
    other.train.rows = (row, *other.train.rows[1:])
    with pytest.raises(TrainError, match="have changed in the cache"):
        go_on(resume_config, other)
    found = checkpoint.load(run)
    assert found is not None
    two = replace(found.metadata, processes=2)
    checkpoint.save(run, replace(found, metadata=two))
    with pytest.raises(TrainError, match="torchrun --nproc-per-node=2"):
        go_on(resume_config, resume_data)
    checkpoint.save(run, found)
    assert files_of(run) == before


def test_a_training_that_begins_anew_does_not_go_on_with_an_older_one(
    in_child: Kill, resume_config: TrainConfig, resume_data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    assert checkpoint.load(run) is not None
    with pytest.raises(KeyboardInterrupt):
        train(replace(resume_config, seed=9), resume_data, run, CPU, Callbacks(progress=stop))
    assert checkpoint.load(run) is None


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_processes_do_not_train_in_one_folder(
    undisturbed: tuple[Path, int],
    resume_config: TrainConfig,
    resume_data: TrainData,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    with (
        checkpoint.training_folder(run),
        pytest.raises(TrainError, match="another process is training in"),
    ):
        run_to_end(resume_config, resume_data, run)
    shutil.rmtree(run)
    run_to_end(resume_config, resume_data, run)
    assert files_of(run) == files_of(undisturbed[0])


def test_a_broken_checkpoint_is_named(
    in_child: Kill, resume_config: TrainConfig, resume_data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    path = run / "checkpoint" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainError, match=r"state\.safetensors cannot be read"):
        run_to_end(resume_config, resume_data, run, resume=True)


def test_weights_and_description_of_two_epochs_are_not_taken_for_one_model(
    undisturbed: tuple[Path, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed[0], run)
    info = RunInfo.read(run)
    replace(info, best_epoch=info.best_epoch + 1).write(run)
    with pytest.raises(RunError, match=f"while it saved epoch {info.best_epoch}"):
        load_run(run, CPU)


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
    in_child: Kill, resume_config: TrainConfig, resume_data: TrainData, tmp_path: Path
) -> None:
    run, notes = tmp_path / "run", list[str]()
    in_child(run, 60)
    found = checkpoint.load(run)
    assert found is not None
    threads = found.metadata.threads + 1
    checkpoint.save(run, replace(found, metadata=replace(found.metadata, threads=threads)))
    train(resume_config, resume_data, run, CPU, Callbacks(on_note=notes.append), resume=True)
    now = torch.get_num_threads()
    assert f"begun with {threads} CPU threads, resumed with {now}: last bits may differ" in notes


def test_a_log_that_is_gone_is_named(
    in_child: Kill, resume_config: TrainConfig, resume_data: TrainData, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_child(run, 60)
    (run / "log.jsonl").unlink()
    with pytest.raises(
        TrainError, match=r"log\.jsonl is shorter than when the checkpoint was made"
    ):
        run_to_end(resume_config, resume_data, run, resume=True)
