"""Helpers that several commands call before their work begins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import typer

from semanticmac.core import FRAME_MODALITIES, MODALITIES

T = TypeVar("T")

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.streams import Streams
    from semanticmac.eval.missing.request import MissingRequest
    from semanticmac.preprocess.corpora import Options
    from semanticmac.preprocess.corpora.options import SplitBy
    from semanticmac.train.config import TrainConfig
    from semanticmac.train.data import TrainData


def check_name(name: str | None) -> None:
    """Raises BadParameter for a --name that cannot be the name of a folder in the cache."""
    if name is not None and not re.fullmatch(r"[\w-]+", name):
        raise typer.BadParameter(f"--name {name}: expected letters, digits, - and _")


def given_once(argument: T | None, option: T | None, name: str) -> T | None:
    """A value that may be given by its position or by its option. Raises BadParameter for both."""
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"{argument} and {name} {option}: give one of them")
    return option if argument is None else argument


def comma_separated(words: Sequence[str] | None) -> list[str]:
    """The names in the values of an option that may be given several times."""
    names: list[str] = []
    for word in words or ():
        names += [name.strip() for name in word.split(",")]
    return names


def without_modalities(words: Sequence[str] | None) -> tuple[str, ...]:
    """The modalities that --without names. Raises BadParameter for an unknown one."""
    names = comma_separated(words)
    for name in names:
        if name not in MODALITIES:
            raise typer.BadParameter(f"--without {name}: expected {', '.join(MODALITIES)}")
    return tuple(names)


DRAWS = 5  # the default of --draws


def missing_requests(
    words: Sequence[str] | None, draws: int, dropped_words: str
) -> tuple[MissingRequest, ...]:
    """The protocols that --missing names. Raises BadParameter for an unknown one."""
    from semanticmac.eval.missing.request import PROTOCOLS, MissingRequest

    names = comma_separated(words)
    for name in names:
        if name not in (*PROTOCOLS, "all"):
            raise typer.BadParameter(f"--missing {name}: expected {', '.join(PROTOCOLS)} or all")
    if dropped_words not in ("absent", "unk"):
        raise typer.BadParameter(f"--dropped-words {dropped_words}: expected absent or unk")
    if not names and (draws != DRAWS or dropped_words != "absent"):
        raise typer.BadParameter(
            "--draws and --dropped-words belong to --missing: name a protocol, as --missing same"
        )
    if "all" in names:
        names = list(PROTOCOLS)
    requests = []
    for name in dict.fromkeys(names):
        requests.append(MissingRequest(cast("Any", name), cast("Any", dropped_words), draws))
    return tuple(requests)


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
        return Options(splits, exclude, labels, cast("SplitBy | None", split_by), fold)
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


def changed_settings(assignments: Sequence[str] | None, seed: int | None) -> dict[str, Any]:
    """The settings given by --set and --seed."""
    from semanticmac.train.overrides import parse_settings

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
    resume: Path | None = None  # the run that is resumed, with its own streams


def read_request(
    cache: Path,
    dataset: str | None,
    preset: str | None,
    config: Path | None,
    changes: Mapping[str, Any],
    model: str | None = None,
    resume: Path | None = None,
) -> TrainRequest:
    """Checks names, paths and settings. Loads no torch, so that a typo is answered at once."""
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.manifest import Manifest
    from semanticmac.model.language.source import require_source
    from semanticmac.train.config_io import read_config, settings_for

    layout = CacheLayout(cache)
    base = None
    config = resume or config
    if config is not None:
        base = read_config(config, dataset)
        dataset = base.dataset
    name = cached_dataset(layout, dataset)
    corpus = Manifest.read(layout.manifest(name)).corpus
    settings = settings_for(name, corpus, changes, preset, base, model)
    if "text" in settings.model.modalities:
        require_source(settings.model.language)
    return TrainRequest(layout, settings, config, resume)


def open_training(request: TrainRequest) -> TrainData:
    """The cached clips to train on; prints notes about them and the settings."""
    from semanticmac.cache.copies import copies_notes
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.run.folder import RunInfo
    from semanticmac.run.notes import stream_notes
    from semanticmac.train.config_io import other_data
    from semanticmac.train.data import open_data, with_fold

    settings = request.settings
    resumed = None
    if settings.fold:
        print_notes([f"splits of the fold {settings.fold}, not those of the dataset"])
    if request.resume is not None and (request.resume / "run.json").exists():
        resumed = RunInfo.read(request.resume)
    data = open_data(request.layout, settings.dataset, settings.vision, settings.audio, resumed)
    data = with_fold(data, settings.fold)
    print_notes([_streams_note(data.streams, settings)])
    print_notes(stream_notes(data.streams))
    print_notes(data.notes)
    print_notes(copies_notes(data.manifest.rows))
    for modality in settings.model.modalities:
        if modality not in data.modalities:
            print_notes([f"no train clip has {modality}: the model is trained without it"])
    if request.config is not None:
        print_notes(other_data(request.config, settings, data))
    return data


def _streams_note(streams: Streams, settings: TrainConfig) -> str:
    by_default = [name for name in FRAME_MODALITIES if getattr(settings, name) == "last"]
    note = f"embeddings: {streams.describe()}"
    if by_default:
        note += f" ({' and '.join(by_default)}: cached last)"
    return note


def require_run(folder: Path, layout: CacheLayout) -> None:
    """Raises RunError or CacheIncomplete unless the run and its cached dataset exist.

    Loads no torch, so that a wrong path is answered at once.
    """
    from semanticmac.cache.rebuild import cache_command
    from semanticmac.run.folder import RunInfo, require_weights

    info = RunInfo.read(folder)
    require_weights(folder)
    layout.require(info.dataset, cache_command(info.dataset, info.corpus, info.streams))


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
