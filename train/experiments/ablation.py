"""ablate: each design choice of the paper switched off in turn, trained over seeds, scored on test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.core import ProgressFn
from semanticmac.eval.evaluate import evaluate
from semanticmac.run.folder import RunError, is_finished
from semanticmac.run.weights import load_run
from semanticmac.train.config import ConfigError, TrainConfig, override
from semanticmac.train.data import TrainData, TrainError, in_setting, resolve
from semanticmac.train.experiments.resumable import OF_ONE_RUN, is_trained
from semanticmac.train.loop import EpochLog, train

# Row → the settings that make it. A row of the paper's table has the name of its line in
# eval/report/paper/ablation_mosei.csv.
ROWS: dict[str, dict[str, Any]] = {
    "full": {},
    "frame_embedding": {"frame_embedding": False},
    "perceiver": {"perceiver": False},
    "perceiver_layer_norm": {"perceiver_layer_norm": False},
    "perceiver_residual": {"perceiver_residual": False},
    "modality_embedding": {"modality_embedding": False},
    "sgfi": {"sgfi": False},
    "multi_query": {"multi_query": False},
    "bridge_tokens": {"bridge_tokens": 0},
    "gated_relu": {"gated_relu": False},
    "momentum": {"momentum": False},
    "pseudo_labels": {"pseudo_labels": False},
    "multi_task": {"multi_task": False},
    "intra": {"intra": False},
    "inter": {"inter": False},
    "contrastive": {"contrastive": False},
}
SPLIT = "test"  # scored; the best epoch is chosen on validation


@dataclass(frozen=True)
class AblationRun:
    """One row with one seed: a normal run folder."""

    row: str
    folder: Path
    config: TrainConfig


@dataclass(frozen=True)
class Outcome:
    """What one run scored, or why it failed."""

    row: str
    seed: int
    folder: str
    metrics: dict[str, float | None] = field(
        default_factory=dict
    )  # at full precision, None = undefined
    failure: str | None = None


def plan(config: TrainConfig, rows: Sequence[str], seeds: int, folder: Path) -> list[AblationRun]:
    """What the folder holds, finished, and then what is asked for in the order in which it is done.

    That is every row with the first seed, then with the next: stopped half-way, a table has all its
    rows. Raises ConfigError for a row that does not exist.
    """
    for row in rows:
        if row not in ROWS:
            raise ConfigError(f"there is no ablation row {row!r}; rows: {', '.join(ROWS)}")
    asked = [
        (row, seed)
        for seed in range(config.seed, config.seed + seeds)
        for row in dict.fromkeys(rows)
    ]
    return [
        AblationRun(row, _place(folder, row, seed), override(config, ROWS[row] | {"seed": seed}))
        for row, seed in [*(there for there in _scored(folder) if there not in asked), *asked]
    ]


def ablate(
    runs: Sequence[AblationRun],
    data: TrainData,
    layout: CacheLayout,
    device: torch.device,
    progress: ProgressFn,
    on_note: Callable[[str], None],
    on_epoch: Callable[[EpochLog], None],
) -> list[Outcome]:
    """Trains and scores each run that is not finished yet; a run that fails is named and the others go on.

    Before anything is trained, raises ConfigError where a folder holds a run of other settings or
    data, and TrainError for settings that the dataset cannot have and where it has no labels to
    score with.
    """
    if not any(row.label is not None for row in data.manifest.split(SPLIT)):
        name = data.manifest.dataset
        raise TrainError(
            f"{name} has no labelled clips in its {SPLIT} split, which every row is scored on: "
            f"see `semanticmac inspect {name}`, and check the split column of its labels."
        )
    resolved = [replace(run, config=resolve(run.config, data, device)) for run in runs]
    for clips_before in {run.config.model.clips_before for run in resolved}:
        in_setting(data, clips_before)
    finished = [is_done(run, data) for run in resolved]
    outcomes: list[Outcome] = []
    failed = 0
    for run, done in zip(resolved, finished, strict=True):
        progress("ablation runs", len(outcomes), len(runs), failed)
        on_note(
            f"{run.row}, seed {run.config.seed}{': finished before' if done else ''} → {run.folder}"
        )
        failure = None if done else train_and_score(run, data, layout, device, progress, on_epoch)
        failed += failure is not None
        metrics = {} if failure else read_metrics(run.folder)
        outcomes.append(Outcome(run.row, run.config.seed, run.folder.name, metrics, failure))
    progress("ablation runs", len(outcomes), len(runs), failed)
    return outcomes


def train_and_score(
    run: AblationRun,
    data: TrainData,
    layout: CacheLayout,
    device: torch.device,
    progress: ProgressFn,
    on_epoch: Callable[[EpochLog], None],
) -> str | None:
    """One run from its start to its score; the reason where it failed."""
    try:
        train(run.config, data, run.folder, device, progress, on_epoch, resume=True)
        evaluate(load_run(run.folder, device), layout, SPLIT, device).write(run.folder)
    except (*OF_ONE_RUN, RunError) as error:
        return str(error)
    return None


def is_done(run: AblationRun, data: TrainData) -> bool:
    """Is it trained and scored? Raises ConfigError where the folder holds another run."""
    return is_trained(run.folder, run.config, data) and _scores(run.folder).exists()


def read_metrics(folder: Path) -> dict[str, float | None]:
    """Metric → value of a scored run."""
    scores: Mapping[str, Any] = json.loads(_scores(folder).read_text(encoding="utf-8"))
    return {metric["name"]: metric["value"] for metric in scores["runs"][0]["metrics"]}


def _place(folder: Path, row: str, seed: int) -> Path:
    return folder / f"{row}-seed{seed}"


def _scores(folder: Path) -> Path:
    return folder / f"eval-{SPLIT}.json"


def _scored(folder: Path) -> list[tuple[str, int]]:
    """Row and seed of every run in the folder that is trained and scored, whatever its settings are."""
    parts = [
        path.name.rpartition("-seed")
        for path in sorted(folder.glob("*-seed*"))
        if is_finished(path)
    ]
    named = [(row, int(seed)) for row, _, seed in parts if row in ROWS and seed.isdecimal()]
    return [(row, seed) for row, seed in named if _scores(_place(folder, row, seed)).exists()]
