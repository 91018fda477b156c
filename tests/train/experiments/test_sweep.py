"""Sweeps: what is drawn, which trial is the best, and what a sweep refuses."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console
from support.sweeps import CPU, SPACE, logs, quick, search

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.commands.sweep import sweep as sweep_verb
from semanticmac.commands.ui.trainings import sweep_table
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.weights import load_run
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.config_io import read_config
from semanticmac.train.data import open_data
from semanticmac.train.experiments import runs as runs_module
from semanticmac.train.experiments.optuna_study import Point, Sampler
from semanticmac.train.experiments.sweep import BEST, ranked, trial_folder
from semanticmac.train.loop import train


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


def test_a_sweep_of_an_earlier_version_goes_on_with_the_default_of_a_new_setting(
    planted: Callable[..., CacheLayout], small: dict[str, Any], space: Path, tmp_path: Path
) -> None:
    layout, folder = planted(), tmp_path / "sweep"
    search(layout, folder, quick(small), space, 1)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder / 'study.db'}")
    begun = study.user_attrs["asked"]
    assert begun.pop("frame_scaling") == "none"
    study.set_user_attr("asked", begun)
    assert len(search(layout, folder, quick(small), space, 2)) == 2
    space.write_text(SPACE + 'frame_scaling = ["none", "unit"]')
    with pytest.raises(ConfigError, match=r"did not draw frame_scaling: --set frame_scaling=none"):
        search(layout, folder, quick(small), space, 3)
    space.write_text(SPACE)
    with pytest.raises(ConfigError, match=r"begun with frame_scaling=none, asked for is unit"):
        search(layout, folder, quick(small, frame_scaling="unit"), space, 3)


def test_without_optuna_it_says_what_to_install(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"sweep needs Optuna, .*: pip install 'semanticmac\[sweep\]'"
    ):
        search(planted(), tmp_path / "sweep", quick(small), space, 1)


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
