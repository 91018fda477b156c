"""Two processes learn what one does: losses, gradients, banks and scores of 2 × B equal those of 1 × 2B."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from semanticmac.cache.home import CacheHome
from semanticmac.train.world import World

CHILD = Path(__file__).parent / "world_child.py"
SIZES = (21, 7, 5)  # in batches of 4 the last one has one clip, so that one of two processes has none
STILL: dict[str, Any] = {"batch_size": 4, "dropout": 0.0, "seed": 3, "inter_weight": 0.7, "intra_weight": 0.5}


def in_processes(count: int, **about: Any) -> int:
    """Runs world_child.py in so many processes → exit status."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    done = subprocess.run(
        [sys.executable, *launch, str(CHILD), json.dumps(about)], env=environment, capture_output=True, timeout=300
    )
    if done.returncode and "kill_at" not in about:
        print(done.stderr.decode())
    return done.returncode


@pytest.fixture(scope="module")
def corpus(planted: Callable[..., CacheHome]) -> str:
    return str(planted(sizes=SIZES).root)


@pytest.fixture(scope="module")
def settings(small: dict[str, Any], families: dict[str, str]) -> dict[str, Any]:
    return small | STILL | {"language": families["still"]}


def files_of(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def test_shares_are_a_partition_and_as_equal_as_can_be() -> None:
    for size in (1, 2, 3, 7):
        for clips in range(20):
            worlds = [World(rank, size) for rank in range(size)]
            assert [place for world in worlds for place in world.part(clips)] == list(range(clips))
            counts = worlds[0].counts(clips)
            assert sum(counts) == clips and max(counts) - min(counts) <= 1
            batch = list(range(100, 100 + clips))
            for world in worlds if clips else []:
                own = [100 + place for place in world.part(clips)]
                assert list(world.share(batch)) == (own or [100])


@pytest.mark.parametrize(
    "batches",
    [[list(range(8))], [list(range(5, 12))], [[3]], [[0, 1, 2, 3, 4], [9, 8, 7]]],
    ids=["even", "uneven", "fewer clips than processes", "two batches a step"],
)
def test_losses_gradients_and_banks_are_those_of_one_process(
    batches: list[list[int]], corpus: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    about = {"what": "gradients", "cache": corpus, "settings": settings, "batches": batches}
    for count in (1, 2):
        assert in_processes(count, **about, file=str(tmp_path / str(count))) == 0
    alone, first, second = (load_file(tmp_path / name) for name in ("1-0", "2-0", "2-1"))
    assert alone.keys() == first.keys() == second.keys()
    assert len(alone) > 50 and alone["numbers"][0] > 0
    for name, expected in alone.items():
        assert first[name].equal(second[name]), name
        torch.testing.assert_close(first[name], expected, rtol=1e-4, atol=1e-6, msg=name)


def test_a_run_of_two_processes_is_that_of_one(corpus: str, settings: dict[str, Any], tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    for count, run in enumerate(runs, 1):
        assert in_processes(count, what="train", cache=corpus, settings=settings, run=str(run)) == 0
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in runs]
    assert [len(log) for log in logs] == [2 * 6 + 2] * 2
    for mine, theirs in zip(*logs, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() & {"loss", "intra", "inter", "sub_tasks", "gradient_norm", "valid"}:
            assert mine[key] == pytest.approx(theirs[key], rel=1e-3, abs=1e-5), key
    labels = [load_file(run / "pseudo_labels" / "epoch-002.safetensors")["labels"] for run in runs]
    torch.testing.assert_close(*labels, rtol=1e-4, atol=1e-4)
    assert not labels[0][1].equal(labels[0][0])


def test_two_processes_go_on_to_the_bit(corpus: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """With dropout, of which each process draws its own; the first one is killed, and torchrun ends the other."""
    about = {"what": "train", "cache": corpus, "settings": settings | {"dropout": 0.2}}
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert in_processes(2, **about, run=str(whole)) == 0
    assert in_processes(2, **about, run=str(stopped), kill_at=9) != 0
    assert (stopped / "checkpoint" / "state.safetensors").exists()
    assert in_processes(2, **about, run=str(stopped)) == 0
    assert files_of(stopped) == files_of(whole)
