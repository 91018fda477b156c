"""What trainings share that are several: whether a folder holds one already, and which errors end one of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from semanticmac.model.pretrained import LanguageModelError
from semanticmac.run.folder import RunInfo, is_finished
from semanticmac.train.config import ConfigError, TrainConfig, from_toml
from semanticmac.train.data import TrainData, TrainError, in_setting

# The next one may do better.
OF_ONE_RUN = (ConfigError, TrainError, LanguageModelError, ValueError, torch.OutOfMemoryError)


def flat(config: TrainConfig) -> dict[str, Any]:
    """Setting → value, those of the model among the others."""
    settings = asdict(config)
    model: dict[str, Any] = settings.pop("model")
    return settings | model


def is_trained(folder: Path, config: TrainConfig, data: TrainData) -> bool:
    """Was this training done in that folder? config: resolved.

    Raises ConfigError where the folder holds a training of other settings, done or not, or one on
    other data, done.
    """
    settings = folder / "config.toml"
    if not settings.exists():
        return False
    there = flat(from_toml(settings.read_text(encoding="utf-8"), config.dataset))
    refuse_others(f"{folder} was trained", there, flat(config))
    if not is_finished(folder):
        return False
    if changes := changed_data(RunInfo.read(folder), in_setting(data, config.model.clips_before)):
        raise ConfigError(
            f"{folder} was trained on {changes}: give another folder (--run, or --runs for all of them)"
        )
    return True


def changed_data(info: RunInfo, data: TrainData) -> str:
    """What is different in the data of a run, as words that follow `was trained on`; empty where nothing is."""
    changes = []
    if info.dataset != data.manifest.dataset:
        changes.append(f"another dataset ({info.dataset})")
    if info.fingerprint != data.manifest.fingerprint:
        changes.append(
            f"other embeddings ({'; '.join(info.fingerprint.differences(data.manifest.fingerprint))})"
        )
    if not changes and info.data != data.digest:
        changes.append("other data (clips, texts or labels have changed in the cache since)")
    return " and ".join(changes)


def refuse_others(what: str, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raises ConfigError for the first setting that is not what it was."""
    for name in [*there, *(name for name in asked if name not in there)]:
        if there.get(name) != asked.get(name):
            raise ConfigError(
                f"{what} with {name}={there.get(name, 'nothing')}, asked for is {asked.get(name, 'nothing')}: "
                "give another folder (--run, or --runs for all of them), or remove this one"
            )
