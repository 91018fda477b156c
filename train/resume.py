"""Checks whether a run folder already holds a given training: same settings, same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from semanticmac.cache.keys import LAST
from semanticmac.run.folder import RunInfo, is_finished
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainData, with_dialogue, with_fold
from semanticmac.train.toml_settings import from_toml


def is_trained(folder: Path, config: TrainConfig, data: TrainData) -> bool:
    """True if this training is finished in that folder. `config` must be resolved.

    Raises ConfigError if the folder holds a run with other settings, or a finished run on other
    data.
    """
    settings = folder / "config.toml"
    if not settings.exists():
        return False
    saved = from_toml(settings.read_text(encoding="utf-8"), config.dataset)
    # Runs of version 0.1 do not name their streams; `changed_data` compares these below.
    if saved.vision == LAST:
        saved = replace(saved, vision=config.vision)
    if saved.audio == LAST:
        saved = replace(saved, audio=config.audio)
    require_equal(f"{folder} was trained", saved.flat(), config.flat())
    if not is_finished(folder):
        return False
    read = with_dialogue(with_fold(data, config.fold), config.model)
    changes = changed_data(RunInfo.read(folder), read)
    if changes:
        raise ConfigError(
            f"{folder} was trained on {changes}: give another folder (--run, or --runs for all of "
            "them)"
        )
    return True


def changed_data(info: RunInfo, data: TrainData) -> str:
    """The differences between the data of a run and `data`, after the words `was trained on`.

    Empty if there are none.
    """
    changes = []
    if info.dataset != data.manifest.dataset:
        changes.append(f"another dataset ({info.dataset})")
    if info.streams != data.streams:
        differences = info.streams.differences(data.streams)
        changes.append(f"other embeddings ({'; '.join(differences)})")
    if not changes and info.data != data.digest:
        changes.append("other data (clips, texts or labels have changed in the cache since)")
    return " and ".join(changes)


def require_equal(what: str, saved: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raises ConfigError for the first setting whose value differs."""
    for name in dict.fromkeys([*saved, *asked]):
        if saved.get(name) != asked.get(name):
            raise ConfigError(
                f"{what} with {name}={saved.get(name, 'nothing')}, asked for is "
                f"{asked.get(name, 'nothing')}: give another folder (--run, or --runs for all of "
                "them), or remove this one"
            )
