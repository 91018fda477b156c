"""Helpers that several commands call before their work begins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from semanticmac.core import MODALITIES

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.corpora import Options
    from semanticmac.preprocess.encoders.protocol import PairEncoder
    from semanticmac.train.config import TrainConfig
    from semanticmac.train.data import TrainData


def check_name(name: str | None) -> None:
    """Raises BadParameter for a --name that cannot be the name of a folder in the cache."""
    if name is not None and not re.fullmatch(r"[\w-]+", name):
        raise typer.BadParameter(f"--name {name}: expected letters, digits, - and _")


def without_modalities(words: Sequence[str] | None) -> tuple[str, ...]:
    """The modalities that --without names. Raises BadParameter for an unknown one."""
    names: list[str] = []
    for word in words or ():
        names += [name.strip() for name in word.split(",")]
    for name in names:
        if name not in MODALITIES:
            raise typer.BadParameter(f"--without {name}: expected {', '.join(MODALITIES)}")
    return tuple(names)


def corpus_options(
    splits: Path | None,
    exclude: Path | None,
    labels: Path | None,
    split_by: str | None,
    fold: int | None,
) -> Options:
    """The user's lists that replace those of the corpus. Raises BadParameter if they conflict."""
    from semanticmac.preprocess.corpora import Options

    try:
        return Options(splits, exclude, labels, cast(Literal["video"] | None, split_by), fold)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def cached_dataset(layout: CacheLayout, name: str | None) -> str:
    """The dataset of this name, or the one cached last.

    Raises CacheIncomplete if it is not cached; the message gives the command that caches it.
    """
    from semanticmac.preprocess.corpora import NAMES

    command = ""
    if name == "demo":
        command = "semanticmac demo"
    elif name in NAMES:
        command = f"semanticmac cache {name} --root DIR"
    return layout.require(name, command)


def open_encoder(name: str, device: str, screen: Screen) -> PairEncoder:
    """The frozen encoder. The screen shows the licence and a download."""
    from semanticmac.preprocess.encoders.imagebind.encoder import load_encoder

    return load_encoder(name, device, screen.bytes, screen.line)


def changed_settings(assignments: Sequence[str] | None, seed: int | None) -> dict[str, Any]:
    """The settings given by --set and --seed."""
    from semanticmac.train.config import parse_settings

    changes = parse_settings(assignments or [])
    if seed is not None:
        changes["seed"] = seed
    return changes


@dataclass(frozen=True)
class TrainRequest:
    """The cached dataset and the settings to train with."""

    layout: CacheLayout
    settings: TrainConfig
    config: Path | None  # the run that is repeated


def read_request(
    cache: Path,
    dataset: str | None,
    preset: str | None,
    config: Path | None,
    changes: Mapping[str, Any],
    model: str | None = None,
) -> TrainRequest:
    """Checks names, paths and settings. Loads no torch, so that a typo is answered at once."""
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.manifest import Manifest
    from semanticmac.train.config_io import read_config, settings_for

    layout = CacheLayout(cache)
    base = None
    if config is not None:
        base = read_config(config, dataset)
        dataset = base.dataset
    name = cached_dataset(layout, dataset)
    corpus = Manifest.read(layout.manifest(name)).corpus
    return TrainRequest(layout, settings_for(name, corpus, changes, preset, base, model), config)


def open_training(request: TrainRequest) -> TrainData:
    """The cached clips to train on; prints notes about them and the settings."""
    from semanticmac.cache.copies import copies_notes
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.run.notes import encoder_notes
    from semanticmac.train.config_io import other_data
    from semanticmac.train.data import open_data

    settings = request.settings
    data = open_data(request.layout, settings.dataset)
    print_notes(encoder_notes(data.manifest.fingerprint))
    print_notes(copies_notes(data.manifest.rows))
    for modality in settings.model.modalities:
        if modality not in data.modalities:
            print_notes([f"no train clip has {modality}: the model is trained without it"])
    if request.config is not None:
        print_notes(other_data(request.config, settings, data))
    return data


def require_run(folder: Path, layout: CacheLayout) -> None:
    """Raises RunError or CacheIncomplete unless the run and its cached dataset exist.

    Loads no torch, so that a wrong path is answered at once.
    """
    from semanticmac.cache.layout import cache_command
    from semanticmac.run.folder import RunInfo, require_weights

    info = RunInfo.read(folder)
    require_weights(folder)
    layout.require(info.dataset, cache_command(info.dataset, info.corpus, info.fingerprint))


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
