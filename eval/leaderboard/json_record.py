"""Dataclasses from JSON that somebody else wrote: every value is checked against its type."""

from __future__ import annotations

import math
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")
LONGEST_TEXT = 100_000  # characters of one text
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class RecordError(ValueError):
    """A value of another type; the message says where, what came and what was expected."""


def read_record(kind: type[Record], content: Any, where: str = "") -> Record:
    """JSON → an instance of the dataclass. where: the path of keys, for messages.

    Raises RecordError for an unknown or missing key, a value of another type, a number that is not
    finite, and a text of more than LONGEST_TEXT characters.
    """
    if not isinstance(content, dict):
        raise _unexpected(where, content, "an object")
    prefix = f"{where}." if where else ""
    hints = get_type_hints(kind)
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in content:
            values[field.name] = _read(hints[field.name], content[field.name], prefix + field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise RecordError(f"{prefix}{field.name} is missing")
    for key in content:
        if key not in hints:
            raise RecordError(f"{prefix}{str(key)[:40]} is no key of such a file")
    return kind(**values)


def _read(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return _plain(value, where)
    if is_dataclass(kind):
        return read_record(kind, value, where)  # type: ignore[arg-type]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        options = _options(arguments)
        if value not in options:
            raise _unexpected(where, value, f"one of {', '.join(map(repr, options))}")
        return value
    if origin in (Union, types.UnionType):
        # The only unions are those with None.
        [other] = [argument for argument in arguments if argument is not types.NoneType]
        return None if value is None else _read(other, value, where)
    if origin is dict:
        return _dict(arguments[1], value, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    return _scalar(kind, value, where)


def _options(arguments: tuple[Any, ...]) -> list[Any]:
    """The values of a Literal, also of one that contains others."""
    options = []
    for argument in arguments:
        options += _options(get_args(argument)) if get_origin(argument) is Literal else [argument]
    return options


def _dict(kind: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected(where, value, "an object")
    read = {}
    for key, item in value.items():
        _scalar(str, key, f"a key of {where}")
        read[key] = _read(kind, item, f"{where}.{key[:40]}")
    return read


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _unexpected(where, value, "a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise _unexpected(where, value, f"a list of {len(kinds)} values")
    read = []
    for number, (kind, item) in enumerate(zip(kinds, value, strict=True)):
        read.append(_read(kind, item, f"{where}[{number}]"))
    return tuple(read)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise _unexpected(where, value, _NAMES[kind])
    if isinstance(value, float) and not math.isfinite(value):
        raise _unexpected(where, value, "a finite number")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise RecordError(f"{where} has {len(value)} characters, a text has {LONGEST_TEXT} at most")
    return value


def _plain(value: Any, where: str) -> Any:
    """A value of any type, without a number that is not finite and without a text too long."""
    if isinstance(value, dict):
        return _dict(Any, value, where)
    if isinstance(value, list):
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if value is None:
        return None
    return _scalar(type(value), value, where)


def _unexpected(where: str, value: Any, expected: str) -> RecordError:
    shown = repr(value)
    if len(shown) > 60:
        shown = f"{shown[:60]}…"
    return RecordError(f"{where or 'the file'} is {shown}, expected {expected}")
