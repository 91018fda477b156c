"""The settings that a run starts from: a preset, or the config.toml of another run."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semanticmac.model.registry import SEMANTICMAC
from semanticmac.run.folder import RunInfo
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import PRESETS, from_toml, preset

if TYPE_CHECKING:
    from semanticmac.train.data import TrainData


# The preset of the corpus as it is, and with the changes of tuned.toml.
PAPER, TUNED = "paper", "tuned"


def tuned_settings() -> dict[str, Any]:
    """The changes of the preset `tuned`, as keys of `override`."""
    text = (PRESETS / "variants" / "tuned.toml").read_text(encoding="utf-8")
    settings: dict[str, Any] = tomllib.loads(text)
    model: dict[str, Any] = settings.pop("model")
    return settings | model


def named_preset(
    name: str, dataset: str, corpus: str = "", model: str = SEMANTICMAC
) -> TrainConfig:
    """The settings of a model for one corpus, for training on another dataset.

    `paper` is the preset of the dataset's own corpus; `tuned` is the same with the changes of
    SemanticMAC that docs/evidence.md measures. Raises ConfigError if there is no such preset.
    """
    if name == PAPER:
        return preset(corpus, dataset, model)
    if name == TUNED:
        if model != SEMANTICMAC:
            raise ConfigError(
                f"the preset tuned has settings of semanticmac, but the model is {model}: "
                "leave --preset out"
            )
        return override(preset(corpus, dataset), tuned_settings())
    known = sorted([PAPER, TUNED, *(path.stem for path in PRESETS.glob("*.toml"))])
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(f"there is no preset {name!r}; {hint}presets: {', '.join(known)}")
    return preset(name, dataset, model)


def read_config(path: Path, dataset: str | None = None) -> TrainConfig:
    """The resolved settings of a run.

    path: the run folder or its config.toml; dataset: replaces the one in the settings.
    """
    file = path / "config.toml" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"{file} is not there: --config takes a run folder, or the config.toml in it"
        )
    try:
        config = from_toml(file.read_text(encoding="utf-8"), "")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML ({error})") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    if not (dataset or config.dataset):
        raise ConfigError(f"{file} names no dataset: add a line `dataset = …`, or give --dataset")
    return replace(config, dataset=dataset or config.dataset)


def other_data(path: Path, config: TrainConfig, data: TrainData) -> list[str]:
    """A note for the user if the repeated run was trained on other data than `data`."""
    # Imported here because they load torch, and wrong settings are refused before that.
    from semanticmac.train.data import with_dialogue
    from semanticmac.train.resume import changed_data

    folder = path if path.is_dir() else path.parent
    if not (folder / "run.json").exists():
        return []
    changes = changed_data(RunInfo.read(folder), with_dialogue(data, config.model))
    unread = [name for name in data.modalities if name not in config.model.modalities]
    if changes and unread:
        changes += f"; its settings leave out {' and '.join(unread)}, which some train clip has"
    return [f"{folder} was trained on {changes}"] if changes else []


def settings_for(
    dataset: str,
    corpus: str,
    changes: Mapping[str, Any],
    preset_name: str | None,
    begin_with: TrainConfig | None,
    model: str | None = None,
) -> TrainConfig:
    """`begin_with`, the named preset, or the preset of the corpus, with the changes.

    model: by its name; None = that of `begin_with`, else SemanticMAC.
    """
    if begin_with is not None and preset_name is not None:
        raise ConfigError(
            "--config and --preset exclude each other: each gives the settings to start from"
        )
    if begin_with is not None:
        if model not in (None, begin_with.model.name):
            raise ConfigError(
                f"--config has the settings of the model {begin_with.model.name}, and --model is "
                f"{model}: give --preset instead, or leave --model out"
            )
        return override(begin_with, changes)
    chosen = model or SEMANTICMAC
    if preset_name is not None:
        return override(named_preset(preset_name, dataset, corpus, chosen), changes)
    return override(preset(corpus, dataset, chosen), changes)
