"""Runs that are killed at counted moments and resumed, and the files that they leave."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.run.folder import RunInfo
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData
from semanticmac.train.loop import train
from support.planted import Planted, planted_clips

CPU = torch.device("cpu")
TRAIN_AT = Path(__file__).parents[1] / "train/train_at.py"
SETTINGS: dict[str, Any] = {
    **{"epochs": 3, "batch_size": 4, "accumulate": 2, "clip_norm": 1.0, "schedule": "cosine"},
    **{"modality_dropout": 0.2, "seed": 5},
}

Kill = Callable[..., tuple[int, int]]
"""(run, kill_at, resume=False) → (exit status, moments that it saw)."""


def clips_of_two_widths() -> list[Planted]:
    """Vision is 8 wide, audio 5."""
    clips = []
    for clip in planted_clips("regression"):
        assert clip.audio is not None
        clips.append(replace(clip, audio=clip.audio[:, :5]))
    return clips


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


@contextlib.contextmanager
def child_trainer(layout: CacheLayout, settings: dict[str, Any]) -> Iterator[Kill]:
    """Trains in a process that dies just before moment `kill_at`; see tests/train/train_at.py."""
    with subprocess.Popen(
        [sys.executable, str(TRAIN_AT)],
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
