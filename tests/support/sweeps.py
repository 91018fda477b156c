"""A small sweep: its space, its settings, and the files of its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.train.callbacks import SILENT
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.experiments.optuna_study import Point, Sampler
from semanticmac.train.experiments.search_space import read_space
from semanticmac.train.experiments.sweep import Sweep, sweep
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
SPACE = """
lr_rest = { low = 1e-4, high = 1e-1, log = true }
dropout = { low = 0.0, high = 0.5 }
neighbours = { low = 2, high = 9 }
schedule = ["constant", "cosine"]
"""


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
