"""Lists of ids in notes and messages."""

from __future__ import annotations

from collections.abc import Iterable

from semanticmac.core import counted

SHOWN = 5  # ids that a message prints before "and N more"


def preview(ids: Iterable[str]) -> str:
    """The first few ids, and how many more there are: `a, b, c, d, e and 7 more`."""
    names = list(ids)
    text = ", ".join(names[:SHOWN])
    if len(names) > SHOWN:
        text += f" and {len(names) - SHOWN} more"
    return text


def count_note(noun: str, verb: str, rest: str, ids: Iterable[str]) -> list[str]:
    """A note that counts and names the ids; none without ids.

    `clip`, `have`, `no text` → `1 clip has no text: a`, `3 clips have no text: a, b, c`.
    """
    names = list(ids)
    if not names:
        return []
    return [f"{counted(len(names), noun, verb)} {rest}: {preview(names)}"]
