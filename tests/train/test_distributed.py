"""Losses, gradients, banks and scores of two processes with B clips equal those of one with 2B."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from semanticmac.cache.layout import CacheLayout
from semanticmac.model.registry import BUILT_IN
from semanticmac.train.config import setting_parts
from semanticmac.train.distributed import SINGLE_PROCESS, DistributedContext

CHILD = Path(__file__).parent / "distributed_child.py"
SIZES = (
    21,
    7,
    5,
)  # in batches of 4 the last one has one clip, so that one of two processes has none
STILL: dict[str, Any] = {
    "batch_size": 4,
    "dropout": 0.0,
    "seed": 3,
    "inter_weight": 0.7,
    "intra_weight": 0.5,
}
STEPS = {
    "even": [list(range(8))],
    "uneven": [list(range(5, 12))],
    "fewer clips than processes": [[3]],
    "two batches a step": [[0, 1, 2, 3, 4], [9, 8, 7]],
}


def jobs(folder: Path, corpus: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    same = {"cache": corpus, "settings": settings}
    steps = [
        {"what": "gradients", **same, "batches": batches, "file": str(folder / name)}
        for name, batches in STEPS.items()
    ]
    return [*steps, {"what": "train", **same, "run": str(folder / "run")}]


def in_two(work: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """Runs distributed_child.py in two processes."""
    return launched(work, processes=2)


def launched(work: list[dict[str, Any]], processes: int) -> subprocess.CompletedProcess[str]:
    """Runs distributed_child.py under torchrun; 0 processes: without torchrun."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    if not processes:
        launch = []
    return subprocess.run(
        [sys.executable, *launch, str(CHILD), json.dumps(work)],
        **{
            "env": {**os.environ, "OMP_NUM_THREADS": "1"},
            "capture_output": True,
            "text": True,
            "timeout": 300,
        },
    )


@pytest.fixture(scope="module")
def corpus(planted: Callable[..., CacheLayout]) -> str:
    return str(planted(sizes=SIZES).root)


@pytest.fixture(scope="module")
def settings(small: dict[str, Any], families: dict[str, str]) -> dict[str, Any]:
    return small | STILL | {"language": families["still"]}


@pytest.fixture(scope="module")
def one(corpus: str, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process alone leaves."""
    folder = tmp_path_factory.mktemp("one")
    child_module().do(SINGLE_PROCESS, jobs(folder, corpus, settings))
    return folder


def child_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("distributed_child", CHILD)
    assert spec is not None and spec.loader is not None
    child = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(child)
    return child


@pytest.fixture(scope="module")
def two(corpus: str, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes leave; `whole` is a run with dropout."""
    folder = tmp_path_factory.mktemp("two")
    done = in_two(
        [*jobs(folder, corpus, settings), with_dropout(corpus, settings, folder / "whole")]
    )
    assert done.returncode == 0, done.stderr
    return folder


def with_dropout(corpus: str, settings: dict[str, Any], run: Path) -> dict[str, Any]:
    return {
        "what": "train",
        "cache": corpus,
        "settings": settings | {"dropout": 0.2},
        "run": str(run),
    }


def files_of(run: Path) -> dict[str, bytes]:
    """All files but the one that holds measured seconds."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "step_cost.json"
    }


def test_shares_are_a_partition_and_as_equal_as_can_be() -> None:
    for size in (1, 2, 3, 7):
        for clips in range(20):
            processes = [DistributedContext(rank, size) for rank in range(size)]
            parts = [list(process.part(clips)) for process in processes]
            assert list(chain.from_iterable(parts)) == list(range(clips))
            counts = processes[0].share_sizes(clips)
            assert sum(counts) == clips and max(counts) - min(counts) <= 1
            batch = list(range(100, 100 + clips))
            for process in processes if clips else []:
                own = [100 + place for place in process.part(clips)]
                assert list(process.share(batch)) == (own or [100])


@pytest.mark.parametrize("name", STEPS)
def test_losses_gradients_and_banks_are_those_of_one_process(
    name: str, one: Path, two: Path
) -> None:
    alone, first, second = (
        load_file(path) for path in (one / f"{name}-0", two / f"{name}-0", two / f"{name}-1")
    )
    assert alone.keys() == first.keys() == second.keys()
    assert len(alone) > 50 and alone["numbers"][0] > 0
    for tensor, expected in alone.items():
        assert first[tensor].equal(second[tensor]), tensor
        torch.testing.assert_close(first[tensor], expected, rtol=1e-4, atol=1e-6, msg=tensor)


def test_a_run_of_two_processes_is_that_of_one(one: Path, two: Path) -> None:
    logs = [read_log(of / "run") for of in (one, two)]
    assert [len(log) for log in logs] == [2 * 6 + 2] * 2
    for mine, theirs in zip(*logs, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() & {"loss", "intra", "inter", "sub_tasks", "gradient_norm", "valid"}:
            assert mine[key] == pytest.approx(theirs[key], rel=1e-3, abs=1e-5), key
    labels = [
        load_file(of / "run" / "pseudo_labels" / "epoch-002.safetensors")["labels"]
        for of in (one, two)
    ]
    torch.testing.assert_close(*labels, rtol=1e-4, atol=1e-4)
    assert not labels[0][1].equal(labels[0][0])


def test_two_processes_go_on_to_the_bit(
    corpus: str, settings: dict[str, Any], two: Path, tmp_path: Path
) -> None:
    """Each process draws its own dropout; the first is killed, and torchrun ends the other."""
    job = with_dropout(corpus, settings, tmp_path / "run")
    assert in_two([job | {"kill_at": 9}]).returncode != 0
    assert (tmp_path / "run" / "checkpoint" / "state.safetensors").exists()
    done = in_two([job])
    assert done.returncode == 0, done.stderr
    assert files_of(tmp_path / "run") == files_of(two / "whole")


def of_model(name: str, corpus: str, language: str, folder: Path) -> dict[str, Any]:
    """A training of a published fusion without dropout, so that processes draw nothing."""
    settings: dict[str, Any] = {"language": language, "max_tokens": 16, "epochs": 1}
    settings |= {"batch_size": 4, "seed": 3}
    for key in setting_parts(name):
        if key.endswith("dropout"):
            settings[key] = 0.0
    run = str(folder / name)
    return {"what": "train", "cache": corpus, "settings": settings, "model": name, "run": run}


def test_published_fusions_learn_the_same_in_two_processes(
    corpus: str, families: dict[str, str], tmp_path: Path
) -> None:
    # LNLN draws in each step which frames are hidden: each process for its own clips.
    names = [name for name in BUILT_IN if name != "lnln"]
    jobs_of_both = {}
    for side in ("one", "two"):
        jobs_of_both[side] = [
            of_model(name, corpus, families["still"], tmp_path / side) for name in names
        ]
    assert_learns_the_same(names, jobs_of_both, tmp_path, steps=6)


def assert_learns_the_same(
    names: list[str], jobs_of_both: dict[str, list[dict[str, Any]]], folder: Path, steps: int
) -> None:
    """jobs_of_both: trainings of the models, into folder/one and folder/two."""
    child_module().do(SINGLE_PROCESS, jobs_of_both["one"])
    done = in_two(jobs_of_both["two"])
    assert done.returncode == 0, done.stderr
    for name in names:
        alone, together = (read_log(folder / side / name) for side in ("one", "two"))
        assert len(alone) == len(together) == steps + 1, name
        for mine, theirs in zip(alone, together, strict=True):
            for key in mine.keys() & {"loss", "gradient_norm", "valid"}:
                assert mine[key] == pytest.approx(theirs[key], rel=2e-3, abs=1e-5), (name, mine)


def test_models_of_dialogues_learn_the_same_in_two_processes(
    corpus: str, families: dict[str, str], tmp_path: Path
) -> None:
    """Six dialogues in batches of five: of the last batch one process has no dialogue."""
    names = ["bc-lstm", "sdt"]
    jobs_of_both: dict[str, list[dict[str, Any]]] = {"one": [], "two": []}
    for side, work in jobs_of_both.items():
        for name in names:
            job = of_model(name, corpus, families["still"], tmp_path / side)
            job["settings"] |= {"batch_size": 5, "hidden": 16, "language_batch": 3}
            work.append(job)
    assert_learns_the_same(names, jobs_of_both, tmp_path, steps=2)


def test_a_killed_model_of_dialogues_goes_on_to_the_bit(
    corpus: str, families: dict[str, str], tmp_path: Path
) -> None:
    """Texts are read in chunks, whose dropout is drawn again in the backward pass."""
    job = of_model("dialogue-rnn", corpus, families["bert"], tmp_path / "whole")
    job["settings"] |= {"dropout": 0.2, "epochs": 3, "language_batch": 3}
    job["settings"] |= {"global_hidden": 8, "party_hidden": 8, "emotion_hidden": 8}
    assert launched([job], 0).returncode == 0
    killed = job | {"run": str(tmp_path / "killed" / "dialogue-rnn")}
    assert launched([killed | {"kill_at": 4}], 0).returncode != 0
    assert Path(killed["run"], "checkpoint", "state.safetensors").exists()
    assert launched([killed], 0).returncode == 0
    whole = files_of(Path(job["run"]))
    assert "model.safetensors" in whole and files_of(Path(killed["run"])) == whole


def read_log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_one_process_under_torchrun_trains_as_one_without_it(
    corpus: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    for processes in (0, 1):
        job = with_dropout(corpus, settings, tmp_path / str(processes))
        done = launched([job], processes)
        assert done.returncode == 0, done.stderr
    files = files_of(tmp_path / "0")
    assert "model.safetensors" in files and files == files_of(tmp_path / "1")
