"""The search space of a sweep: a range or a choice for each setting, from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semanticmac.model.registry import SEMANTICMAC, model_entry
from semanticmac.train.config import DECIDED, ConfigError, ConflictError, TrainConfig
from semanticmac.train.overrides import override

DEFAULT = Path(__file__).parent / "sweep.toml"
LANGUAGE_RATE, FRAME_SCALING = "lr_language", "frame_scaling"


@dataclass(frozen=True)
class Range:
    """A range with both ends included. It holds whole numbers if its ends are whole numbers."""

    low: float
    high: float
    log: bool = False  # drawn evenly on a logarithmic scale


@dataclass(frozen=True)
class Choice:
    """A list of values."""

    options: tuple[bool | int | float | str, ...]


Space = dict[str, Range | Choice]


def read_space(path: Path | None, config: TrainConfig, fixed: Collection[str]) -> Space:
    """Setting → range or choice, without the fixed settings.

    path: None = the space of the model: sweep.toml for SemanticMAC, else that of its ModelEntry.
    As SemanticMAC does, a model that trains the language model also draws its learning rate, and a
    model that reads frames draws how they are scaled.

    Raises ConfigError for an unknown setting, for anything but a range or a choice, and for a value
    that the setting does not accept.
    """
    name = config.model.name
    if path is None and name != SEMANTICMAC:
        entry = model_entry(name)
        written: dict[str, Any] = dict(entry.space)
        paper = tomllib.loads(DEFAULT.read_text(encoding="utf-8"))
        if "text" in entry.modalities and not config.model.freeze_language:
            written.setdefault(LANGUAGE_RATE, paper[LANGUAGE_RATE])
        if entry.modalities != ("text",):
            written.setdefault(FRAME_SCALING, paper[FRAME_SCALING])
        return _space(f"the search space of the model {name}", written, config, fixed)
    path = path or DEFAULT
    if not path.is_file():
        raise ConfigError(
            f"--space {path} is not a file: `semanticmac sweep` has a space of its own without it"
        )
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML ({error})") from None
    return _space(str(path), written, config, fixed)


def _space(
    path: str, written: Mapping[str, Any], config: TrainConfig, fixed: Collection[str]
) -> Space:
    """path: where it is written, for messages."""
    known = config.flat()
    space: Space = {}
    for name, value in written.items():
        if name in DECIDED:
            raise ConfigError(f"{path}: {name} cannot be drawn: {DECIDED[name]}")
        if name not in known:
            override(config, {name: value})  # raises, with the nearest names
        if name in fixed:
            continue
        space[name] = domain = _domain(f"{path}: {name}", value, known[name])
        for one in domain.options if isinstance(domain, Choice) else (domain.low, domain.high):
            try:
                override(config, {name: one})
            except ConflictError:  # Only such a draw fails.
                continue
            except ConfigError as error:
                raise ConfigError(f"{path}: {error}") from None
    if not space:
        raise ConfigError(
            f"{path}: nothing is left to draw; a setting that --set fixes leaves the space"
        )
    return space


def plain(space: Space) -> dict[str, Any]:
    """The space as it would be written in a file."""
    written: dict[str, Any] = {}
    for name, domain in space.items():
        written[name] = list(domain.options) if isinstance(domain, Choice) else vars(domain)
    return written


def _domain(where: str, value: Any, default: Any) -> Range | Choice:
    if (
        isinstance(value, list)
        and value
        and all(isinstance(option, bool | int | float | str) for option in value)
    ):
        return Choice(tuple(value))
    if not (isinstance(value, dict) and {"low", "high"} <= value.keys() <= {"low", "high", "log"}):
        raise ConfigError(
            f"{where} = {value!r}: expected a list of values, or "
            "{ low = …, high = …, log = true }"
        )
    low, high, log = value["low"], value["high"], value.get("log", False)
    kinds: tuple[type, ...] = ()
    if type(default) is int:
        kinds = (int,)
    elif type(default) is float:
        kinds = (int, float)
    if type(low) not in kinds or type(high) not in kinds or not isinstance(log, bool):
        expected = {0: "a list of values", 1: "whole numbers", 2: "numbers"}[len(kinds)]
        raise ConfigError(
            f"{where} from {low!r} to {high!r}: the setting takes {expected}, like its default "
            f"{default!r}"
        )
    if not low < high or (log and not low > 0):
        raise ConfigError(
            f"{where} from {low} to {high}: low must be below high, and above 0 where log = true"
        )
    return Range(low, high, log) if type(default) is int else Range(float(low), float(high), log)
