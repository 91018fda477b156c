"""Seeds: each run equals a single training, finished runs stay, failures are named, eval works."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from rich.console import Console

from semanticmac.cache.layout import CacheLayout
from semanticmac.commands import train as learn
from semanticmac.commands.eval import eval_
from semanticmac.commands.report import report
from semanticmac.commands.ui.screen import CLIPS_FAILED
from semanticmac.commands.ui.trainings import seeds_table
from semanticmac.run.folder import RunError, is_finished, runs, seed_runs
from semanticmac.run.newest import newest_model, newest_run
from semanticmac.train.callbacks import SILENT
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainError, open_data
from semanticmac.train.experiments import runs as module
from semanticmac.train.experiments.seed_list import parse_seeds
from semanticmac.train.experiments.seeds import SeedRun, train_seeds
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
NO_TEXT = {"modalities": "audio,vision"}


def run_seeds(
    layout: CacheLayout, folder: Path, settings: dict[str, Any], seeds: list[int]
) -> list[SeedRun]:
    config = override(TrainConfig("planted"), settings | NO_TEXT)
    return train_seeds(config, seeds, open_data(layout, "planted"), folder, CPU, SILENT)


def as_set(settings: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in (settings | NO_TEXT).items()]


def without_seed(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """The training of one seed fails."""

    def broken(config: TrainConfig, *rest: Any, **more: Any) -> Any:
        if config.seed == bad:
            raise TrainError("the loss became nan in epoch 1")
        return train(config, *rest, **more)

    monkeypatch.setattr(module, "train", broken)


def test_how_many_or_which() -> None:
    assert parse_seeds("3", 1) == [1, 2, 3] and parse_seeds("2", 40) == [40, 41]
    assert (
        parse_seeds("1,2,7", 40) == [1, 2, 7]
        and parse_seeds("7,", 1) == [7]
        and parse_seeds("9, 3", 1) == [9, 3]
    )
    for wrong in ("0", "-1", "1,-2", "many", "", ",", "1.5"):
        with pytest.raises(ConfigError, match="expected how many, as 5, or which, as 1,2,7"):
            parse_seeds(wrong, 1)
    with pytest.raises(ConfigError, match="--seeds 1,2,1 names a seed twice"):
        parse_seeds("1,2,1", 1)


def test_each_seed_is_the_run_that_it_is_alone(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout = planted()
    found = run_seeds(layout, tmp_path / "seeds", small, [1, 4])
    config = override(TrainConfig("planted"), small | NO_TEXT | {"seed": 4})
    alone = train(config, open_data(layout, "planted"), tmp_path / "alone", CPU)
    for name in ("model.safetensors", "log.jsonl", "config.toml"):
        assert (tmp_path / "seeds/seed-4" / name).read_bytes() == (
            tmp_path / "alone" / name
        ).read_bytes()
    assert found[1] == SeedRun(4, alone.best_epoch, alone.valid_metric, alone.valid_score)
    assert (tmp_path / "seeds/seed-1/model.safetensors").read_bytes() != (
        tmp_path / "alone/model.safetensors"
    ).read_bytes()


def test_finished_seeds_stay_and_the_others_go_on(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout, folder = planted(), tmp_path / "seeds"
    first = run_seeds(layout, folder, small, [1, 2])
    before = {
        seed: (run / "model.safetensors").stat().st_mtime_ns
        for seed, run in seed_runs(folder).items()
    }
    (folder / "seed-2/checkpoint").mkdir()  # as if it was killed before its first checkpoint
    again = run_seeds(layout, folder, small, [2, 3])
    after = {
        seed: (run / "model.safetensors").stat().st_mtime_ns
        for seed, run in seed_runs(folder).items()
    }
    assert before[1] == after[1] and before[2] < after[2] and is_finished(folder / "seed-2")
    assert [run.seed for run in again] == [1, 2, 3] and again[:2] == first
    about = json.loads((folder / "seeds.json").read_text())
    scores = [run.valid_score for run in again]
    mean = sum(scores) / 3
    assert about["valid_mean"] == pytest.approx(mean, abs=1e-12)
    assert about["valid_std"] == pytest.approx(
        (sum((score - mean) ** 2 for score in scores) / 2) ** 0.5, abs=1e-12
    )

    trained: list[int] = []
    monkeypatch.setattr(module, "train", lambda config, *_, **__: trained.append(config.seed))
    for settings in (small | {"lr_rest": 0.02}, small | {"epochs": 3}):
        with pytest.raises(
            ConfigError, match=r"seed-1 was trained with (lr_rest=0.01|epochs=2), asked for is"
        ):
            run_seeds(layout, folder, settings, [7])
    with pytest.raises(RunError, match=r"seed-3 holds a single run: give another --run"):
        run_seeds(layout, folder / "seed-3", small, [1])
    assert trained == [] and not (folder / "seed-7").exists()


def test_a_folder_of_other_things_does_not_become_one_of_seeds(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout, root = planted(), tmp_path / "runs"
    (root / "planted-001").mkdir(parents=True)
    with pytest.raises(
        RunError, match=r"runs is not empty and no folder of seeds \(no seeds.json\): give another"
    ):
        run_seeds(layout, root, small, [1])
    assert [path.name for path in root.iterdir()] == ["planted-001"]
    begun = root / "seeds"  # by a process that was killed while it wrote seeds.json
    begun.mkdir()
    (begun / ".seeds.json.123.part").touch()
    assert run_seeds(layout, begun, small, [1])[0].failure is None and list(seed_runs(begun)) == [1]


def test_a_seed_that_fails_is_named_and_the_others_go_on(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = planted()
    with monkeypatch.context() as patch:
        without_seed(patch, 1)
        found = run_seeds(layout, tmp_path / "seeds", small, [1, 2, 3])
    assert [run.failure for run in found] == ["the loss became nan in epoch 1", None, None]
    screen = Console(file=io.StringIO(), width=80, record=True)
    screen.print(seeds_table("planted", found))
    text = screen.export_text()
    assert "seed 1 failed: the loss became nan in epoch 1" in text
    first, second = (run.valid_score for run in found[1:])
    assert f"{(first + second) / 2:.4f} ± {abs(first - second) / 2**0.5:.4f}" in text
    assert (
        run_seeds(layout, tmp_path / "seeds", small, [1])[0].failure is None
    )  # what failed is tried again


def test_the_verb_says_what_failed_and_goes_on_in_its_folder(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    layout, root = planted(), tmp_path / "runs"
    options: dict[str, Any] = {"cache": layout.root, "runs": root, "set_": as_set(small)}
    with monkeypatch.context() as patch:
        without_seed(patch, 6)
        with pytest.raises(typer.Exit) as exit_:
            learn.train(**options, seed=5, seeds="2")
    assert exit_.value.exit_code == CLIPS_FAILED
    folder = root / "planted-001-seeds"
    said = capsys.readouterr()
    assert "seed 6 failed" in said.out and f"--run {folder}" in said.err
    with pytest.raises(RunError, match="holds a run already"):
        learn.train(**options, run=folder)
    assert learn.train(**options, run=folder, seed=5, seeds="2") == folder
    assert "finished before" in capsys.readouterr().err
    assert (
        learn.train(**options) == root / "planted-002"
    )  # numbers of single runs and of seeds do not meet


def test_eval_takes_all_seeds(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    layout, root = planted(), tmp_path / "runs"
    data = open_data(layout, "planted")
    train(override(TrainConfig("planted"), small | NO_TEXT), data, root / "single", CPU)
    folder = root / "group"
    run_seeds(layout, folder, small, [1, 2])
    assert (
        newest_model(root) == folder
        and newest_run(root) == folder / "seed-2"
        and len(runs(root)) == 3
    )

    def scored(*folders: Path) -> dict[str, Any]:
        capsys.readouterr()
        eval_(list(folders) or None, runs=root, cache=layout.root, as_json=True)
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    each = [scored(folder / f"seed-{seed}")["summary"]["MAE"]["mean"] for seed in (1, 2)]
    assert scored() == scored(folder) == scored(folder / "seed-1", folder / "seed-2")
    assert scored()["summary"]["MAE"]["mean"] == pytest.approx(sum(each) / 2, abs=1e-12)

    (folder / "seed-2/checkpoint").mkdir()
    capsys.readouterr()
    eval_([folder], runs=root, cache=layout.root)
    said = capsys.readouterr()
    assert (
        "seed-2 is not finished and left out" in " ".join(said.err.split())
        and "seed 2" not in said.out
    )
    assert newest_run(root) == folder / "seed-1"
    with pytest.raises(
        RunError, match=r"group holds 2 runs over seeds or folds: .*, as .*group/seed-1"
    ):
        report(folder, cache=layout.root)
    (folder / "seed-1/checkpoint").mkdir()
    with pytest.raises(RunError, match=r"no run in .*group is finished"):
        eval_([folder], runs=root, cache=layout.root)
    assert newest_model(root) == root / "single"


def test_seed_folders_of_another_kind_are_no_seeds(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    """Runs that a user named seed-1 and seed-2 are two runs, not the seeds of one model."""
    layout = planted()
    config = override(TrainConfig("planted"), small | NO_TEXT)
    for name in ("seed-1", "seed-2"):
        train(config, open_data(layout, "planted"), tmp_path / name, CPU)
    assert seed_runs(tmp_path) == {} and newest_model(tmp_path) == tmp_path / "seed-2"
