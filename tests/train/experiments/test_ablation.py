"""The ablation: rows are settings, runs are resumed, failures named, results compared."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from semanticmac.cache.layout import CacheLayout
from semanticmac.commands.ui.ablation import ablation_table
from semanticmac.eval.report.paper import ABLATION, quoted_ablation
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainError, open_data
from semanticmac.train.experiments import runs as module
from semanticmac.train.experiments.ablation import AblationResult, ablate, plan
from semanticmac.train.experiments.ablation_results import by_row, write_results
from semanticmac.train.experiments.ablation_rows import ROWS
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

PAPER = Path(__file__).parents[4] / "shared" / "data" / "paper" / "ablation_mosei.csv"
SHORT = {"modalities": "audio,vision", "epochs": 1}


def run_rows(
    layout: CacheLayout, folder: Path, settings: dict[str, Any], rows: list[str], seeds: int = 1
) -> tuple[list[AblationResult], list[str]]:
    """The outcomes, and what was said of each run."""
    said: list[str] = []
    planned = plan(override(TrainConfig("planted"), settings), rows, seeds, folder)
    outcomes = ablate(
        planned,
        open_data(layout, "planted"),
        layout,
        torch.device("cpu"),
        Callbacks(on_note=said.append),
    )
    return outcomes, said


def test_every_row_of_the_paper_is_a_setting() -> None:
    assert set(quoted_ablation()) <= set(ROWS)
    default = TrainConfig("mosei")
    for row, settings in ROWS.items():
        changed = override(default, settings)
        before, after = asdict(default), asdict(changed)
        flat_before, flat_after = before | before.pop("model"), after | after.pop("model")
        assert {name for name in flat_before if flat_before[name] != flat_after[name]} == set(
            settings
        ), row
        assert row == "full" or list(settings) == [row]
    assert not ROWS["full"]


@pytest.mark.skipif(
    not PAPER.exists(), reason=f"the source of the quoted numbers is not here: {PAPER}"
)
def test_the_quoted_table_is_an_unchanged_copy() -> None:
    with ABLATION.open(encoding="utf-8") as copy, PAPER.open(encoding="utf-8") as source:
        rows = [
            {k: v for k, v in row.items() if k not in ("setting", "origin")}
            for row in csv.DictReader(copy)
        ]
        assert rows == list(csv.DictReader(source))


def test_a_row_that_is_not_marked_as_quoted_is_refused(tmp_path: Path) -> None:
    forged = tmp_path / "table.csv"
    forged.write_text(
        ABLATION.read_text(encoding="utf-8").replace(",quoted", ",ours", 1), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"table.csv:2 has origin 'ours'"):
        quoted_ablation(forged)


def test_an_ablation_is_resumed_and_written(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout, settings = planted(), small | SHORT
    first, _ = run_rows(layout, tmp_path, settings, ["full", "contrastive"], seeds=2)
    assert [(run.row, run.seed, run.failure) for run in first] == [
        ("full", 1, None), ("contrastive", 1, None), ("full", 2, None), ("contrastive", 2, None),
    ]  # fmt: skip
    assert first[0].metrics != first[1].metrics != first[3].metrics
    folder = tmp_path / "full-seed1"
    assert {"run.json", "config.toml", "model.safetensors", "log.jsonl", "eval-test.json"} <= {
        path.name for path in folder.iterdir()
    }

    trained: list[str] = []
    monkeypatch.setattr(
        module,
        "train",
        lambda config, data, run, *rest, **options: (
            trained.append(run.name) or train(config, data, run, *rest, **options)
        ),
    )
    (
        tmp_path / "contrastive-seed2" / "eval-test.json"
    ).unlink()  # as if stopped before it was scored
    again, said = run_rows(layout, tmp_path, settings, ["full", "contrastive"], seeds=2)
    assert trained == ["contrastive-seed2"] and again == first  # same seed, same numbers
    assert [": finished before" in line for line in said] == [True, True, True, False]

    with pytest.raises(
        ConfigError, match=r"-seed1 was trained with lr_rest=0.01, asked for is 0.02"
    ):
        run_rows(layout, tmp_path, settings | {"lr_rest": 0.02}, ["full"])
    with pytest.raises(
        ConfigError, match="there is no ablation row 'gate'; rows: full, frame_embedding"
    ):
        run_rows(layout, tmp_path, settings, ["gate"])
    with pytest.raises(TrainError, match="class_weights=balanced needs classes"):
        run_rows(layout, tmp_path, settings | {"class_weights": "balanced"}, ["full"])

    write_results(tmp_path, "planted", by_row(first))
    about = json.loads((tmp_path / "ablation.json").read_text())
    full = about["rows"][0]
    values = [run["metrics"]["MAE"] for run in full["runs"]]
    assert full["summary"]["MAE"]["mean"] == pytest.approx(sum(values) / 2)
    assert full["summary"]["MAE"]["std"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert (
        about["rows"][1]["settings"] == {"contrastive": False} and full["paper"]["MAE"] == "0.518"
    )
    lines = list(csv.DictReader(io.StringIO((tmp_path / "ablation.csv").read_text())))
    mae = next(line for line in lines if line["row"] == "contrastive" and line["metric"] == "MAE")
    assert mae["paper_mosei_quoted"] == "0.537" and mae["runs"] == "2"


def test_a_run_that_fails_is_named_and_the_others_go_on(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(config: TrainConfig, *rest: Any, **options: Any) -> Any:
        if not config.inter:
            raise TrainError("the loss became nan in epoch 1")
        return train(config, *rest, **options)

    layout = planted()
    with monkeypatch.context() as patch:
        patch.setattr(module, "train", broken)
        outcomes, _ = run_rows(layout, tmp_path, small | SHORT, ["inter", "full"])
    assert [run.failure for run in outcomes] == ["the loss became nan in epoch 1", None]
    screen = Console(file=io.StringIO(), width=100, record=True)
    screen.print(ablation_table("planted", by_row(outcomes)))
    text = screen.export_text()
    assert "inter, seed 1 failed: the loss became nan in epoch 1" in text and "0/1" in text
    assert "paper, MOSEI" in text and "0.792" in text and "quoted as printed" in text
    outcomes, _ = run_rows(layout, tmp_path, small | SHORT, ["inter"])  # what failed is tried again
    assert outcomes[0].failure is None


def test_without_labels_to_score_with_nothing_is_trained(
    planted: Callable[..., CacheLayout],
    planted_clip: Any,
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it is trained")

    monkeypatch.setattr(module, "train", never)
    sound = np.ones((2, 8))
    unlabelled = [
        planted_clip(
            f"{split}{i}", "i love", sound, sound, None if split == "test" else [float(i)], split
        )
        for split in ("train", "valid", "test")
        for i in range(2)
    ]
    for layout in (planted(sizes=(24, 8, 0)), planted(clips=unlabelled)):
        with pytest.raises(
            TrainError,
            match=r"planted has no labelled clips in its test split.*`semanticmac inspect",
        ):
            run_rows(layout, tmp_path, small | SHORT, ["full"])


def test_a_run_that_lost_its_weights_is_named_and_the_others_go_on(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout = planted()
    run_rows(layout, tmp_path, small | SHORT, ["full"])
    for name in ("model.safetensors", "eval-test.json"):
        (tmp_path / "full-seed1" / name).unlink()
    outcomes, _ = run_rows(layout, tmp_path, small | SHORT, ["full", "inter"])
    assert "keeps no weights" in str(outcomes[0].failure) and outcomes[1].failure is None


def test_rows_that_are_asked_for_one_by_one_make_one_table(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout, settings = planted(), small | SHORT

    def results(name: str, *asked: tuple[list[str], int]) -> tuple[bytes, bytes]:
        for rows, seeds in asked:
            outcomes, _ = run_rows(layout, tmp_path / name, settings, rows, seeds)
            write_results(tmp_path / name, "planted", by_row(outcomes))
        json_, csv_ = (tmp_path / name / file for file in ("ablation.json", "ablation.csv"))
        return json_.read_bytes(), csv_.read_bytes()

    together = results("together", (["full", "sgfi"], 2))
    assert results("apart", (["sgfi"], 2), (["full"], 2), (["full"], 1)) == together
    (
        tmp_path / "apart/inter-seed1"
    ).mkdir()  # neither what is not finished is in it, nor what is no row
    (tmp_path / "apart/sgfi-seed2/checkpoint").mkdir()
    (tmp_path / "apart/sgfi-seed1").rename(tmp_path / "apart/mine-seed1")
    outcomes, said = run_rows(layout, tmp_path / "apart", settings, ["full"])
    assert [(run.row, run.seed) for run in outcomes] == [("full", 2), ("full", 1)]
    assert all("finished before" in line for line in said)
    with pytest.raises(
        ConfigError, match=r"full-seed\d was trained with lr_rest=0.01, asked for is 0.02"
    ):
        run_rows(layout, tmp_path / "apart", settings | {"lr_rest": 0.02}, ["intra"])
    assert not (tmp_path / "apart/intra-seed1").exists()


def test_the_verb_prints_the_table_and_names_its_files(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    words = [f"{key}={value}" for key, value in (small | SHORT).items()]
    command = [
        "ablate",
        "--from-cache",
        "--rows",
        "full,gated_relu",
        "--seeds",
        "2",
        "--cache",
        planted().root,
    ]
    command += [part for word in words for part in ("--set", word)]
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "semanticmac.cli", *map(str, command)],
        **{
            "cwd": tmp_path,
            "capture_output": True,
            "text": True,
            "env": environment,
            "timeout": 300,
        },
    )
    assert done.returncode == 0, done.stderr
    assert "gated_relu" in done.stdout and " ± " in done.stdout and "0.785" in done.stdout
    assert "written to runs/ablation-planted/ablation.json" in done.stderr
    assert (
        tmp_path / "runs" / "ablation-planted" / "gated_relu-seed2" / "model.safetensors"
    ).exists()


def test_the_paper_s_numbers_stand_only_beside_the_same_metrics(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    outcomes, _ = run_rows(planted("binary"), tmp_path, small | SHORT, ["full"])
    (row,) = by_row(outcomes)
    assert row.paper == {} and "weighted F1" in row.values
