"""Splits that this project makes, the same on every machine, and the usual names of the splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from semanticmac.core import SPLITS
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.corpora.tables import Row

SPLIT_NAMES = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "dev": "valid",
    "validation": "valid",
    "test": "test",
}
SHARES = {"train": 0.70, "valid": 0.15, "test": 0.15}


def assign_splits(groups: Sequence[str], shares: Mapping[str, float] = SHARES) -> list[str]:
    """A split for each clip from the group of each clip (speaker or video); no group is divided.

    Groups are ordered by their SHA-256, so the result depends on their names alone. Test takes
    groups until it is nearest to its share, then valid; train keeps the rest. Two groups become
    train and valid.
    """
    sizes = Counter(groups)
    waiting = sorted(sizes, key=sha256_order)
    split_of: dict[str, str] = {}
    # Test leaves one group for valid and one for train; valid leaves one for train.
    for split, groups_to_leave in (("test", 2), ("valid", 1)):
        target = shares[split] * len(groups)
        for group in _choose_groups(waiting, sizes, target, groups_to_leave):
            split_of[group] = split
            waiting.remove(group)
    return [split_of.get(group, "train") for group in groups]


def set_splits(clips: Iterable[Clip], members: Sequence[Clip], splits: Sequence[str]) -> list[Clip]:
    """The clips with the splits of `members`, in their order; the other clips get no split."""
    split_of: dict[str, str] = {}
    for clip, split in zip(members, splits, strict=True):
        split_of[clip.clip_id] = split
    return [replace(clip, split=split_of.get(clip.clip_id)) for clip in clips]


def _choose_groups(
    waiting: Sequence[str], sizes: Mapping[str, int], target: float, groups_to_leave: int
) -> list[str]:
    """The first groups whose clips add up to about `target`, at least one if that is possible."""
    most = len(waiting) - groups_to_leave
    if target == 0 or most <= 0:
        return []
    chosen: list[str] = []
    clips = 0
    for group in waiting:
        if len(chosen) < most and clips + sizes[group] / 2 < target:
            chosen.append(group)
            clips += sizes[group]
    return chosen or [min(waiting, key=lambda group: sizes[group])]


def sha256_order(name: str) -> str:
    """A sort key that shuffles names in the same way on every machine."""
    return hashlib.sha256(name.encode()).hexdigest()


def tenth_for_valid(names: Iterable[str]) -> set[str]:
    """A fixed tenth of the names (dialogues or clips), at least one of two or more.

    The order of the names does not matter.
    """
    ordered = sorted(set(names), key=lambda name: sha256_order(f"0/{name}"))
    if len(ordered) < 2:
        return set()
    return set(ordered[: max(1, round(len(ordered) / 10))])


def parse_split(row: Row, column: str = "split") -> str | None:
    """The split in a table row, under any of its usual names; None for an empty cell."""
    value = row.text(column).lower()
    if not value:
        return None
    if value not in SPLIT_NAMES:
        raise row.error(f"{column} is {value!r}, expected one of {', '.join(SPLITS)}")
    return SPLIT_NAMES[value]


def source_of(clip: Clip) -> str:
    """The source of a clip: its dialogue or source video, else its file."""
    return str(clip.video) if clip.dialogue is None else clip.dialogue
