"""Settings with a description, a default and a range, as fields of a frozen dataclass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


@dataclass(frozen=True)
class Setting:
    """What a setting means, and which values it accepts."""

    description: str
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()  # those of a Literal type; empty for other types

    @property
    def accepts(self) -> str:
        """The range or the choices, in words; empty if the type alone decides."""
        if self.choices:
            quoted = [f"`{choice}`" for choice in self.choices]
            return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        limits = []
        if self.at_least is not None:
            limits.append(f"at least {self.at_least}")
        if self.above is not None:
            limits.append(f"above {self.above}")
        if self.below is not None:
            limits.append(f"below {self.below}")
        return " and ".join(limits)

    def accepts_value(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, int | float):
            return (
                (self.at_least is None or value >= self.at_least)
                and (self.above is None or value > self.above)
                and (self.below is None or value < self.below)
            )
        return True


def described(
    default: Value,
    description: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Value:
    """A dataclass field. The choices of a Literal are read from its type."""
    meaning = Setting(description, at_least, above, below)
    value: Value = field(default=default, metadata={"setting": meaning})
    return value


def settings_of(kind: type) -> dict[str, Setting]:
    """The fields of a dataclass that were made with `described`."""
    types = get_type_hints(kind)
    settings = {}
    for entry in fields(kind):
        if "setting" not in entry.metadata:
            continue
        written: Setting = entry.metadata["setting"]
        choices: tuple[str, ...] = ()
        if get_origin(types[entry.name]) is Literal:
            choices = get_args(types[entry.name])
        settings[entry.name] = Setting(
            written.description, written.at_least, written.above, written.below, choices
        )
    return settings


def check_settings(config: object) -> None:
    """Raises ValueError for the first setting that is out of its range or not finite."""
    for name, limits in settings_of(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}={value} must be a finite number")
        if not limits.accepts_value(value):
            shown = repr(value) if limits.choices else value
            raise ValueError(f"{name}={shown} must be {limits.accepts}")
