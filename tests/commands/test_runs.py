"""A run folder belongs to one process and one dataset, and is removed if training wrote nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch
import typer

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.commands import train as learn
from semanticmac.model.language.source import LanguageModelError
from semanticmac.run.folder import RunError, RunInfo, new_run
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainError, open_data, resolve
from semanticmac.train.distributed import DistributedContext
from semanticmac.train.loop import train
from semanticmac.train.overrides import override
from semanticmac.train.resume import is_trained

CPU = torch.device("cpu")


def words(settings: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in settings.items()]


def test_runs_that_begin_together_have_folders_of_their_own(tmp_path: Path) -> None:
    together = Barrier(8)

    def begin(i: int) -> Path:
        together.wait()
        return new_run(tmp_path / "runs", "mosi", suffix="-seeds" if i % 2 else "")

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(begin, range(8)))
    assert len(set(folders)) == 8 and all(folder.is_dir() for folder in folders)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file: a run is a folder"):
        new_run(tmp_path, "mosi", tmp_path / "file")


def test_a_run_that_nothing_came_of_leaves_no_folder(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout, runs = planted(), tmp_path / "runs"
    with pytest.raises(LanguageModelError):
        learn.train(
            dataset="planted",
            cache=layout.root,
            runs=runs,
            set_=words(small | {"language": "./nowhere"}),
        )
    with pytest.raises(ConfigError):
        learn.train(dataset="planted", cache=layout.root, runs=runs, seeds="-1")
    assert not runs.exists() or list(runs.iterdir()) == []


def test_options_that_exclude_each_other_are_refused(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(typer.BadParameter, match="--tensorboard shows one training run"):
        learn.train(seeds="2", tensorboard=True)
    layout, settings = planted(), words(small | {"modalities": "audio", "epochs": 1})
    folder = learn.train(
        dataset="planted", cache=layout.root, runs=tmp_path, seeds="2", set_=settings
    )
    with pytest.raises(
        typer.BadParameter, match=f"the command that started them and --run {folder}"
    ):
        learn.train(cache=layout.root, resume=folder)


def test_a_run_on_data_that_has_changed_since_is_not_taken_for_done(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout = planted()
    config = override(
        TrainConfig("planted"),
        small | {"modalities": "audio", "epochs": 1, "setting": "conversation"},
    )
    data = open_data(layout, "planted")
    train(config, data, tmp_path / "run", CPU)
    resolved = resolve(config, data)
    assert is_trained(tmp_path / "run", resolved, data)
    manifest = Manifest.read(layout.manifest("planted"))
    rows = tuple(
        replace(row, label=(-row.label[0],)) if row.label else row for row in manifest.rows
    )
    replace(manifest, rows=rows).write(layout.manifest("planted"))
    with pytest.raises(ConfigError, match="was trained on other data"):
        is_trained(tmp_path / "run", resolved, open_data(layout, "planted"))


@pytest.mark.parametrize("kind", ["regression", "single-label"])
def test_a_model_that_comes_apart_in_the_last_step_is_no_best_epoch(
    kind: str,
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its last loss was finite; argmax over NaN is a class, and F1 a number."""
    config = override(TrainConfig("planted"), small | {"modalities": "audio", "epochs": 2})
    data = open_data(planted(kind), "planted")
    steps: list[int] = []
    step = torch.optim.AdamW.step

    def come_apart(self: torch.optim.AdamW, *rest: Any) -> None:
        step(self, *rest)
        steps.append(1)
        # Two steps are measured before training, without a change; then come three in each epoch.
        if len(steps) == 8:
            with torch.no_grad():
                for group in self.param_groups:
                    for weight in group["params"]:
                        weight.fill_(torch.nan)

    monkeypatch.setattr(torch.optim.AdamW, "step", come_apart)
    with pytest.raises(TrainError, match=r"after epoch 2 .* not finite: valid0, valid1, "):
        train(config, data, tmp_path, CPU)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "step" not in line] == [1]
    assert RunInfo.read(tmp_path).best_epoch == 1


def test_every_process_has_a_gpu_of_its_own_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cuda = torch.device("cuda")
    assert DistributedContext(1, 2, 1).device(cuda) == torch.device("cuda", 1)
    assert DistributedContext(3, 4, 3).device(CPU) == CPU
    assert DistributedContext().device(torch.device("cuda", 1)) == torch.device("cuda", 1)
    with pytest.raises(TrainError, match="this machine has 2 GPUs"):
        DistributedContext(2, 3, 2).device(cuda)
    with pytest.raises(TrainError, match="give cuda"):
        DistributedContext(1, 2, 1).device(torch.device("cuda", 0))
