"""Sweeps that are stopped, killed or shared, and trials that fail."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import SPACE, logs, quick, search

from semanticmac.cache.layout import CacheLayout
from semanticmac.model.language.source import LanguageModelError
from semanticmac.run.folder import FAILURE, RunError, RunInfo
from semanticmac.run.listing import run_line
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainError
from semanticmac.train.experiments import runs as runs_module
from semanticmac.train.experiments import sweep as module
from semanticmac.train.experiments.optuna_study import TRIES, Draws
from semanticmac.train.experiments.sweep import BEST, trial_folder
from semanticmac.train.loop import train
from semanticmac.train.overrides import override


def command(
    layout: CacheLayout, root: Path, small: dict[str, Any], space: Path, trials: int
) -> list[str]:
    settings = {k: v for k, v in small.items() if k not in tomllib.loads(SPACE)}
    settings |= {"modalities": "audio,vision", "epochs": 1}
    words = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    options = ["--cache", layout.root, "--runs", root, "--space", space, "--trials", trials]
    return [
        sys.executable,
        "-m",
        "semanticmac.cli",
        "sweep",
        "--from-cache",
        *map(str, options),
        *words,
    ]


def test_a_trial_that_fails_is_recorded_and_the_sweep_goes_on(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(config: TrainConfig, data: Any, run: Path, *rest: Any, **more: Any) -> RunInfo:
        info = train(config, data, run, *rest, **more)
        if config.neighbours == 2:
            (run / "checkpoint").mkdir()
            raise TrainError("the loss became nan in epoch 1")
        return info

    (tmp_path / "space.toml").write_text("d_model = [8, 9]\nneighbours = [2, 3]")
    layout, folder = planted(), tmp_path / "sweep"
    with monkeypatch.context() as patch:
        patch.setattr(runs_module, "train", broken)
        points = search(layout, folder, quick(small), tmp_path / "space.toml", 12)
    reasons = {(p.settings["d_model"], p.settings["neighbours"]): p.failure for p in points}
    assert len(reasons) == 4, "these draws do not show all of it"
    for (d_model, neighbours), reason in reasons.items():
        expected = "the loss became nan in epoch 1" if neighbours == 2 else None
        assert reason == ("d_model=9 must be divisible by heads=2" if d_model == 9 else expected)
    assert all((point.score is None) == (point.failure is not None) for point in points)
    for point in points:
        if point.failure and (run := trial_folder(folder, point.number)).exists():
            assert {path.name for path in run.iterdir()} == {"config.toml", "log.jsonl", FAILURE}
            assert (run / FAILURE).read_text() == point.failure + "\n" and run_line(
                run
            ).state == "failed"
            with pytest.raises(RunError, match=f"it failed: {re.escape(point.failure)}"):
                RunInfo.read(run)
    again = search(
        layout, folder, quick(small), tmp_path / "space.toml", 12
    )  # a failure is a result: it stays
    assert again == points


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), RuntimeError("a mistake")]
)
def test_what_is_no_fault_of_a_trial_ends_the_sweep_and_the_trial_goes_on(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def stopped(*_: Any, **__: Any) -> RunInfo:
        raise error

    layout = planted()
    with monkeypatch.context() as patch:
        patch.setattr(runs_module, "train", stopped)
        for _ in range(TRIES + 1):  # none of them is a kill
            with pytest.raises(type(error)):
                search(layout, tmp_path / "stopped", quick(small), space, 2)
    stopped_points = search(layout, tmp_path / "stopped", quick(small), space, 2)
    assert stopped_points == search(layout, tmp_path / "whole", quick(small), space, 2)
    assert logs(tmp_path / "stopped") == logs(tmp_path / "whole")


def test_a_disk_without_a_byte_left_is_what_the_person_is_told(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> RunInfo:
        raise OSError(errno.ENOSPC, "No space left on device")

    def cannot_be_written(*_: Any) -> None:
        raise RuntimeError("the study cannot be written")

    monkeypatch.setattr(runs_module, "train", full)
    monkeypatch.setattr(Draws, "tell_stopped", cannot_be_written)
    with pytest.raises(OSError, match="No space left"):
        search(planted(), tmp_path / "sweep", quick(small), space, 1)


@pytest.mark.parametrize("trials", [4, 5])  # all were done, or one is still to be trained
def test_a_process_that_was_killed_before_it_tidied_up_is_made_good(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trials: int,
) -> None:
    def broken(config: TrainConfig, data: Any, run: Path, *rest: Any, **more: Any) -> RunInfo:
        if run.name == "trial-0001":
            raise TrainError("the loss became nan in epoch 1")
        return train(config, data, run, *rest, **more)

    def files(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    layout, config = planted(), quick(small)
    monkeypatch.setattr(runs_module, "train", broken)
    with monkeypatch.context() as patch:
        patch.setattr(
            module, "_clean_up", lambda *_: None
        )  # what a study is like whose processes never came to it
        search(layout, tmp_path / "killed", config, space, 4)
    assert len(list((tmp_path / "killed").glob("trial-*/model.safetensors"))) == 3
    killed, whole = (
        search(layout, tmp_path / name, config, space, trials) for name in ("killed", "whole")
    )
    assert killed == whole and files(tmp_path / "killed") == files(tmp_path / "whole")
    assert (tmp_path / "killed" / BEST).read_bytes() == (tmp_path / "whole" / BEST).read_bytes()


def test_a_language_model_fails_one_trial_and_a_missing_one_none(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    families: dict[str, str],
    tmp_path: Path,
) -> None:
    layout, space = planted(), tmp_path / "space.toml"
    config = override(
        quick(small), {"modalities": "text,audio,vision", "language": families["bert"]}
    )
    space.write_text("train_layers = [50, 1]")
    points = search(layout, tmp_path / "sweep", config, space, 4)
    assert {point.settings["train_layers"]: point.failure for point in points} == {
        50: "train_layers=50, but BertModel has 3 layers",
        1: None,
    }
    missing = override(config, {"language": str(tmp_path / "none")})
    with pytest.raises(LanguageModelError, match="there is no such folder"):
        search(layout, tmp_path / "missing", missing, space, 4)
    space.write_text(f"language = ['{families['bert']}', '{tmp_path / 'none'}']")
    with pytest.raises(LanguageModelError, match="there is no such folder"):
        search(layout, tmp_path / "missing", config, space, 4)
    assert not (tmp_path / "missing").exists(), "no trial was spent on it"


def test_killed_and_shared_sweeps_end_as_an_undisturbed_one(
    planted: Callable[..., CacheLayout], small: dict[str, Any], space: Path, tmp_path: Path
) -> None:
    layout = planted()
    environment = {**os.environ, "COLUMNS": "120", "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(layout, tmp_path / "shared", small, space, 5),
            **{
                "stderr": subprocess.PIPE,
                "stdout": subprocess.PIPE,
                "text": True,
                "env": environment,
            },
        )

    victim = start()
    for line in victim.stderr or ():
        if line.startswith("trial 1:") and "→" in line:  # it begins
            break
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    for process in [start(), start()]:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    shared, whole = tmp_path / "shared/sweep-planted", tmp_path / "whole"
    assert (
        "5 trials" in out
        and "validation L1 loss" in out
        and f"train --config {shared}/trial-000" in err
    )
    search(layout, whole, quick(small), space, 5)
    assert logs(shared) == logs(whole) and len(logs(whole)) == 3 * 5
    assert (shared / BEST).read_bytes() == (whole / BEST).read_bytes()

    import optuna

    storage = f"sqlite:///{shared / 'study.db'}"
    states = [
        trial.state.name for trial in optuna.load_study(study_name="sweep", storage=storage).trials
    ]
    assert states.count("FAIL") == 1 and states.count("COMPLETE") == 5  # the killed one, and again
