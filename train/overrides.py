"""All settings of a model as rows, and changes of them as `key=value`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from semanticmac.model.config import SettingsConflict
from semanticmac.model.registry import SEMANTICMAC
from semanticmac.model.settings import settings_of
from semanticmac.train.config import (
    DECIDED,
    METHOD,
    MODEL,
    TRAIN,
    ConfigError,
    ConflictError,
    TrainConfig,
    names,
    setting_parts,
    with_name,
)

TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "names with commas between",
}


@dataclass(frozen=True)
class SettingRow:
    """A setting as text, for tables."""

    key: str
    default: str
    accepts: str
    description: str


def setting_rows(word: str = "", model: str = SEMANTICMAC) -> list[SettingRow]:
    """All settings of a model that a user can change, or those with the word.

    The word is looked for in the key and the description. Raises ConfigError for an unknown model.
    """
    rows = []
    config = with_name("", model)
    parts = setting_parts(model)
    holders = {TRAIN: config, MODEL: config.model, METHOD: config.model.method}
    for part, holder in holders.items():
        if holder is None:
            continue
        for key, setting in settings_of(type(holder)).items():
            if key in DECIDED or parts.get(key) != part:
                continue
            if word.lower() not in f"{key} {setting.description}".lower():
                continue
            default = getattr(holder, key)
            accepts = setting.accepts or TYPE_NAMES[type(default)]
            rows.append(SettingRow(key, _as_text(default), accepts, setting.description))
    return rows


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as a dict. Values are read as TOML; a bare word is a string."""
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        key = key.strip()
        if not equals:
            raise ConfigError(f"{setting!r} is not of the form key=value")
        if key in DECIDED:
            raise ConfigError(f"{key} is no setting to choose: {DECIDED[key]}")
        try:
            parsed[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed[key] = value.strip()
    return parsed


def override(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """The same settings with some replaced. Keys of the model have no prefix.

    Raises ConfigError for an unknown key, with the nearest names, and for a value that is not
    accepted; ConflictError for settings that exclude each other.
    """
    name = config.model.name
    parts = setting_parts(name)
    values: dict[str, dict[str, Any]] = {TRAIN: {}, MODEL: {}, METHOD: {}}
    for key, value in settings.items():
        _require_known(key, name)
        values[parts[key]][key] = _converted(key, value, config.value(key))
    try:
        if values[METHOD]:
            values[MODEL][METHOD] = replace(config.model.method, **values[METHOD])
        return replace(config, model=replace(config.model, **values[MODEL]), **values[TRAIN])
    except SettingsConflict as error:
        raise ConflictError(str(error)) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _require_known(key: str, model: str) -> None:
    known = sorted(names(model))
    if key in known:
        return
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    of_model, option = "", ""
    if model != SEMANTICMAC:
        of_model, option = f" of the model {model}", f" --model {model}"
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = f"`semanticmac train{option} --settings` lists all of them"
    raise ConfigError(f"there is no setting {key!r}{of_model}; {hint}")


def _converted(key: str, value: Any, default: Any) -> Any:
    """A value in the type of its default: 1 for 1.0 is accepted, "yes" for true is not."""
    if isinstance(default, tuple):
        return _converted_names(key, value, default)
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(default, float) and is_int:
        return float(value)
    if type(value) is not type(default):
        expected = TYPE_NAMES[type(default)]
        raise ConfigError(
            f"{key}={value!r} must be {expected}, like its default {_as_text(default)}"
        )
    return value


def _converted_names(key: str, value: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{key}={value!r} must be names with commas between, as {_as_text(default)}"
        )
    return tuple(name.strip() for name in names)


def _as_text(value: object) -> str:
    """A value as a user writes it."""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
