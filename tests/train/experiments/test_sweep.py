"""Sweeps: draws depend on seed and number, also if stopped, killed or shared; failures stay."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.commands.sweep import sweep as sweep_verb
from semanticmac.commands.ui.trainings import sweep_table
from semanticmac.model.language.source import LanguageModelError
from semanticmac.run.folder import FAILURE, RunError, RunInfo
from semanticmac.run.listing import run_line
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import SILENT
from semanticmac.train.config import ConfigError, TrainConfig, override
from semanticmac.train.config_io import read_config
from semanticmac.train.data import TrainError, open_data
from semanticmac.train.experiments import runs as runs_module
from semanticmac.train.experiments import sweep as module
from semanticmac.train.experiments.optuna_study import TRIES, Draws, Point, Sampler
from semanticmac.train.experiments.search_space import Range, Space, read_space
from semanticmac.train.experiments.sweep import BEST, Sweep, ranked, sweep, trial_folder
from semanticmac.train.loop import train

CPU = torch.device("cpu")
SPACE = """
lr_rest = { low = 1e-4, high = 1e-1, log = true }
dropout = { low = 0.0, high = 0.5 }
neighbours = { low = 2, high = 9 }
schedule = ["constant", "cosine"]
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return path


def search(
    layout: CacheLayout,
    folder: Path,
    config: TrainConfig,
    space: Path,
    trials: int,
    sampler: Sampler = "random",
) -> list[Point]:
    asked = Sweep(config, read_space(space, config, ()), sampler, trials, folder)
    return sweep(asked, open_data(layout, "planted"), CPU, SILENT)


def quick(small: dict[str, Any], **more: Any) -> TrainConfig:
    return override(
        TrainConfig("planted"), small | {"modalities": "audio,vision", "epochs": 1} | more
    )


def logs(folder: Path) -> dict[str, bytes]:
    """Settings and numbers of every trial."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.glob("trial-*/*"))
        if path.name in ("config.toml", "log.jsonl", "run.json")
    }


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


@pytest.mark.parametrize("kind", ["regression", "single-label"])
def test_anyone_can_replay_the_best_trial(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    layout, folder = planted(kind), tmp_path / "sweep"
    split = Manifest.split

    def without_test(manifest: Manifest, name: str) -> Any:
        assert name != "test", "a sweep reads the test split"
        return split(manifest, name)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "split", without_test)
        points = search(layout, folder, quick(small, epochs=3), space, 6)
    scores = [point.score for point in points]
    assert len(set(scores)) > 1
    best = scores.index(max(scores) if kind == "single-label" else min(scores))
    config = read_config(folder / BEST)
    assert {name: config.flat()[name] for name in points[best].settings} == points[best].settings
    info = train(config, open_data(layout, "planted"), tmp_path / "again", CPU)
    assert (info.valid_score, info.best_epoch) == (points[best].score, points[best].best_epoch)
    of_best = trial_folder(folder, best)
    assert (of_best / "log.jsonl").read_bytes() == (tmp_path / "again/log.jsonl").read_bytes()
    assert (of_best / "model.safetensors").read_bytes() == (
        tmp_path / "again/model.safetensors"
    ).read_bytes()

    kept = {path.parent.name for path in folder.glob("trial-*/model.safetensors")}
    assert kept == {of_best.name} and len(logs(folder)) == 3 * 6
    loser = trial_folder(folder, next(i for i in range(6) if i != best))
    with pytest.raises(
        RunError, match=r"keeps no weights: `semanticmac train --config .*` trains them again"
    ):
        load_run(loser, CPU)


def test_of_equal_trials_the_earlier_is_better() -> None:
    points = [
        Point(0, {}),
        Point(1, {}, 0.5),
        Point(2, {}, 0.7),
        Point(3, {}, 0.5),
        Point(4, {}, failure="no"),
    ]
    assert [point.number for point in ranked(points, more_is_better=False)] == [1, 3, 2]
    assert [point.number for point in ranked(points, more_is_better=True)] == [2, 1, 3]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sweep_that_goes_on_draws_what_it_would_have_drawn(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sampler: Sampler,
) -> None:
    def instead(config: TrainConfig, data: Any, run: Path, *rest: Any, **more: Any) -> RunInfo:
        """A score that follows from the settings: draws are what is looked at here."""
        run.mkdir(parents=True)
        (run / "config.toml").write_text(config.to_toml())
        return replace(real, valid_score=config.model.dropout + config.lr_rest, best_epoch=1)

    layout, config = planted(), quick(small)
    real = train(config, open_data(layout, "planted"), tmp_path / "real", CPU)
    monkeypatch.setattr(runs_module, "train", instead)
    trials = 14  # tpe draws at random ten times first
    whole = search(layout, tmp_path / "whole", config, space, trials, sampler)
    for total in (3, 3, 11, trials):
        parts = search(layout, tmp_path / "parts", config, space, total, sampler)
        assert len(parts) == total
    assert parts == whole and len({json.dumps(point.settings) for point in whole}) == trials
    other = search(layout, tmp_path / "other", replace(config, seed=2), space, 3, sampler)
    assert all(a.settings != b.settings for a, b in zip(other, whole, strict=False))
    for point in whole:
        assert 1e-4 <= point.settings["lr_rest"] <= 1e-1 and 0 <= point.settings["dropout"] <= 0.5
        assert type(point.settings["neighbours"]) is int and 2 <= point.settings["neighbours"] <= 9


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


def test_a_sweep_of_something_else_is_refused(
    planted: Callable[..., CacheLayout], small: dict[str, Any], space: Path, tmp_path: Path
) -> None:
    layout, folder = planted(), tmp_path / "sweep"
    search(layout, folder, quick(small), space, 1)
    with pytest.raises(ConfigError, match=r"sweep was begun with epochs=1, asked for is 2"):
        search(layout, folder, quick(small, epochs=2), space, 2)
    with pytest.raises(ConfigError, match=r"was begun with sampler=random, asked for is tpe"):
        search(layout, folder, quick(small), space, 2, "tpe")
    space.write_text(SPACE.replace("0.5", "0.4"))
    with pytest.raises(
        ConfigError, match=r"was begun with space.dropout=.*0.5.*, asked for is .*0.4"
    ):
        search(layout, folder, quick(small), space, 2)
    space.write_text(SPACE)
    with pytest.raises(ConfigError, match=r"was begun with data=\w+, asked for is"):
        search(planted("binary"), folder, quick(small), space, 2)
    (folder / "study.db").unlink()
    with pytest.raises(ConfigError, match=r"has trials and no study.db"):
        search(layout, folder, quick(small), space, 2)


def test_without_optuna_it_says_what_to_install(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"sweep needs Optuna: pip install 'semanticmac\[sweep\]'"
    ):
        search(planted(), tmp_path / "sweep", quick(small), space, 1)


SMALL_SPACE: Space = {"dropout": Range(0.0, 0.5), "neighbours": Range(2, 9)}


def test_a_point_goes_to_one_process_and_comes_back_when_that_is_gone(tmp_path: Path) -> None:
    ours, theirs = (
        Draws.open(tmp_path, SMALL_SPACE, "random", 1, {}, maximise=False) for _ in range(2)
    )
    first, second = ours.claim(2), theirs.claim(2)
    assert first is not None and second is not None and (first.point, second.point) == (0, 1)
    assert ours.claim(2) is None and theirs.claim(2) is None  # both are under way
    assert [point.score for point in ours.points()] == [None, None]
    second.lock.close()  # as when its process ends
    again = ours.claim(2)
    assert again is not None and (again.point, again.settings) == (1, second.settings)
    ours.tell(again, 0.5, 3)
    ours.tell_stopped(first)
    once_more = theirs.claim(2)
    assert once_more is not None and (once_more.point, once_more.settings) == (0, first.settings)
    theirs.tell_failure(once_more, "no")
    assert ours.claim(2) is None
    assert ours.points() == [
        Point(0, first.settings, failure="no"), Point(1, second.settings, 0.5, 3),
    ]  # fmt: skip


def test_a_point_that_kills_every_process_is_given_up(tmp_path: Path) -> None:
    draws = Draws.open(tmp_path, SMALL_SPACE, "random", 1, {}, maximise=False)
    for _ in range(TRIES + 2):  # a person's Ctrl-C does not count
        claim = draws.claim(1)
        assert claim is not None
        draws.tell_stopped(claim)
    for _ in range(TRIES):
        claim = draws.claim(1)
        assert claim is not None and claim.point == 0
        claim.lock.close()
    assert draws.claim(1) is None
    assert [point.failure for point in draws.points()] == [f"its process was killed {TRIES} times"]


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


def test_the_table_says_in_whole_lines_that_every_trial_failed() -> None:
    points = [
        Point(number, {"train_layers": 50}, failure=f"{number + 50} layers are too many")
        for number in (0, 1)
    ]
    screen = Console(file=io.StringIO(), width=80)
    screen.print(sweep_table("planted", points, [], ""))
    assert screen.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "planted · 2 trials",
        "1 failed: 50 layers are too many",
        "1 failed: 51 layers are too many",
        "chosen on validation; test was not read",
    ]
    one = Point(2, {"lr": 0.5}, 0.25, 1)
    screen.print(sweep_table("a-long-name-of-a-dataset", [*points, one], [one], "F1"))
    assert "a-long-name-of-a-dataset · 3 trials, the best 1\n" in screen.file.getvalue()  # type: ignore[attr-defined]


def test_a_seed_below_zero_is_refused(planted: Callable[..., CacheLayout], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed=-1 must be at least 0"):
        sweep_verb(cache=planted().root, runs=tmp_path / "runs", seed=-1)
    assert not (tmp_path / "runs").exists()


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
