"""Finds clips of the same content in two splits, which make validation and test scores too good."""

from __future__ import annotations

from collections.abc import Iterable

from semanticmac.cache.manifest import Row
from semanticmac.core import counted

MOST_NAMES = 3  # pairs of copies named in the note


def copies_in_two_splits(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """For each content key in more than one split: its first clip, and its first in another split.

    Such a clip is usually a copy of a video under another name. Clips without a split do not count.
    """
    first: dict[str, Row] = {}
    copies: dict[str, tuple[Row, Row]] = {}
    for row in rows:
        if row.split is None:
            continue
        earlier = first.setdefault(row.key, row)
        if earlier.split != row.split:
            copies.setdefault(row.key, (earlier, row))
    return list(copies.values())


def copies_notes(rows: Iterable[Row]) -> list[str]:
    """A note that counts the copies and names the first ones; an empty list if there are none."""
    copies = copies_in_two_splits(rows)
    if not copies:
        return []
    names = []
    for row, copy in copies[:MOST_NAMES]:
        names.append(f"{row.clip_id} ({row.split}) = {copy.clip_id} ({copy.split})")
    if len(copies) > MOST_NAMES:
        names.append("…")
    return [
        f"{counted(len(copies), 'clip', 'have')} a copy in another split, so a score there is not "
        f"one on unseen clips: {', '.join(names)}. Leave the copies out with `--exclude`, or put "
        "them in one split with `--splits`, when you cache the dataset"
    ]
