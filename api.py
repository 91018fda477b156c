"""The Python API for datasets, training and scores. Its functions return objects and print nothing.

`semanticmac.load` is in inference.py. docs/python.md describes all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.keys import LAST
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.opening import open_cached
from semanticmac.core import Task
from semanticmac.eval.evaluate import Evaluation, evaluate
from semanticmac.run.device import pick_device
from semanticmac.run.folder import RunInfo, drop_empty, new_run
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import SILENT, Callbacks
from semanticmac.train.config_io import read_config, settings_for
from semanticmac.train.data import open_data
from semanticmac.train.loop import train


@dataclass(frozen=True)
class CachedDataset:
    """The clips of a cached dataset, one torch Dataset per split. An absent split is empty."""

    name: str
    task: Task | None  # None: the clips have no labels
    train: ClipDataset
    valid: ClipDataset
    test: ClipDataset
    notes: tuple[str, ...]  # remarks about the corpus, such as guessed splits


@dataclass(frozen=True)
class TrainedRun:
    """The result of a training run."""

    folder: Path
    info: RunInfo  # task, best epoch, validation score, versions

    @property
    def valid_score(self) -> float:
        """The validation score of the best epoch; `info.valid_metric` is its name."""
        return self.info.valid_score


def open_dataset(
    name: str | None = None,
    *,
    cache: str | Path = "data/cache",
    vision: str = LAST,
    audio: str = LAST,
) -> CachedDataset:
    """Opens a dataset of the feature cache; by default the one cached last.

    vision, audio: the encoder of the embeddings to read, by default the one cached last; "a+b"
    reads two side by side.

    The embeddings are memory-mapped, so that opening is fast. Raises CacheIncomplete if the
    dataset, or a part of it, is not in the cache.
    """
    layout = CacheLayout(Path(cache))
    name = layout.require(name)
    opened = open_cached(layout, name, vision, audio)
    manifest = opened.manifest

    def split(split_name: str) -> ClipDataset:
        return ClipDataset(manifest, opened.reader, manifest.split(split_name))

    notes = (*manifest.notes, *opened.notes)
    return CachedDataset(name, manifest.task, split("train"), split("valid"), split("test"), notes)


def train_model(
    dataset: str | None = None,
    *,
    cache: str | Path = "data/cache",
    run: str | Path | None = None,
    runs: str | Path = "runs",
    model: str | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
    callbacks: Callbacks = SILENT,
) -> TrainedRun:
    """Trains a model on a cached dataset; by default on the one cached last.

    run: the new run folder; by default RUNS/DATASET-001, -002 … model: the name of a model, by
    default semanticmac (docs/baselines.md, docs/own-model.md). preset: the corpus whose settings to
    start from; config: a run whose settings to start from. settings: changed settings, such as
    {"epochs": 10, "seed": 2}. callbacks: functions that follow the training.

    Raises CacheIncomplete if the dataset is not cached, TrainError if it cannot be trained on,
    ConfigError for a wrong setting, and RunError if the run folder exists.
    """
    layout = CacheLayout(Path(cache))
    base = None
    if config is not None:
        base = read_config(Path(config), dataset)
        dataset = base.dataset
    name = layout.require(dataset)
    corpus = Manifest.read(layout.manifest(name)).corpus
    resolved = settings_for(name, corpus, settings or {}, preset, base, model)
    data = open_data(layout, name, resolved.vision, resolved.audio)
    torch_device = pick_device(device)
    folder = new_run(Path(runs), name, None if run is None else Path(run))
    with drop_empty(folder):
        info = train(resolved, data, folder, torch_device, callbacks)
    return TrainedRun(folder, info)


def evaluate_model(
    run: str | Path | TrainedRun,
    *,
    cache: str | Path = "data/cache",
    split: str = "test",
    without: Sequence[str] = (),
    device: str = "auto",
) -> Evaluation:
    """Scores a trained model on one split of its dataset; no file is written.

    `evaluation.scores["MAE"].value` is one metric; `evaluation.predictions` holds the outputs.
    without: modalities to leave out. Raises RunError if the folder holds no model or the split has
    no labels, and CacheIncomplete if the cache does not fit the model.
    """
    folder = run.folder if isinstance(run, TrainedRun) else Path(run)
    torch_device = pick_device(device)
    trained = load_run(folder, torch_device)
    return evaluate(trained, CacheLayout(Path(cache)), split, torch_device, without)
