"""What several verbs do before their work begins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.corpora import Options
    from semanticmac.preprocess.encoders.imagebind.encoder import Encoder
    from semanticmac.train.config import TrainConfig
    from semanticmac.train.data import TrainData


def check_name(name: str | None) -> None:
    """A name in the cache becomes a folder there."""
    if name is not None and not re.fullmatch(r"[\w-]+", name):
        raise typer.BadParameter(f"--name {name}: expected letters, digits, - and _")


def corpus_options(
    splits: Path | None,
    exclude: Path | None,
    labels: Path | None,
    split_by: str | None,
    fold: int | None,
) -> Options:
    """The lists that replace a corpus's own, or a usage error where they exclude each other."""
    from semanticmac.preprocess.corpora import Options

    try:
        return Options(splits, exclude, labels, cast(Literal["video"] | None, split_by), fold)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def cached_dataset(layout: CacheLayout, name: str | None) -> str:
    """`home.require`, and for a corpus that is not cached yet, the command that does it."""
    from semanticmac.preprocess.corpora import NAMES

    known = {corpus: f"semanticmac cache {corpus} --root DIR" for corpus in NAMES} | {
        "demo": "semanticmac demo"
    }
    return layout.require(name, known.get(name or "", ""))


def open_encoder(name: str, device: str, screen: Screen) -> Encoder:
    """The frozen encoder, downloaded where that is its way."""
    from semanticmac.preprocess.encoders.imagebind.encoder import load_encoder

    return load_encoder(name, device, screen.bytes, screen.line)


def open_training(
    cache: Path,
    dataset: str | None,
    preset: str | None,
    config: Path | None,
    changes: Mapping[str, Any],
) -> tuple[TrainData, TrainConfig]:
    """The cached dataset and the settings to train it with.

    What a repeated run cannot have again is said.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.eval.evaluate import encoder_notes
    from semanticmac.train.config_io import other_data, read_config, settings_for
    from semanticmac.train.data import open_data

    layout = CacheLayout(cache)
    begin_with = None if config is None else read_config(config, dataset)
    name = cached_dataset(layout, dataset if begin_with is None else begin_with.dataset)
    data = open_data(layout, name)
    settings = settings_for(name, data.manifest.corpus, changes, preset, begin_with)
    unseen = [modality for modality in settings.model.modalities if modality not in data.modalities]
    print_notes(encoder_notes(data.manifest.fingerprint))
    print_notes(
        [f"no train clip has {modality}: the model is trained without it" for modality in unseen]
    )
    if config is not None:
        print_notes(other_data(config, settings, data))
    return data, settings


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
