"""Splits that this project makes itself, the same on every machine, and the names that others give to theirs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from semanticmac.core import SPLITS
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
    """A split for each clip, given its group (speaker, video); a group stays whole. The same groups, the same split.

    The groups stand in the order of their SHA-256, which neither the machine nor the file system
    can change; test takes those that bring it nearest to its share, then valid, and train keeps the
    rest. Two groups make train and valid.
    """
    sizes = Counter(groups)
    waiting = sorted(sizes, key=sha256_order)
    split_of: dict[str, str] = {}
    for split in ("test", "valid"):
        needed_later = 2 if split == "test" else 1  # a split without a clip is of no use to anybody
        wanted, taken = shares[split] * len(groups), 0
        for group in list(waiting) if wanted else []:
            if len(waiting) > needed_later and taken + sizes[group] / 2 < wanted:
                split_of[group], taken = split, taken + sizes[group]
                waiting.remove(group)
        if wanted and not taken and len(waiting) > needed_later:
            smallest = min(waiting, key=lambda group: sizes[group])
            split_of[smallest] = split
            waiting.remove(smallest)
    return [split_of.get(group, "train") for group in groups]


def sha256_order(name: str) -> str:
    """A sort key that shuffles names in the same way everywhere."""
    return hashlib.sha256(name.encode()).hexdigest()


def tenth_for_valid(names: Iterable[str], seed: int = 0) -> set[str]:
    """A seeded tenth of the names (dialogues, clips), at least one of two or more; the order given does not matter."""
    ordered = sorted(set(names), key=lambda name: sha256_order(f"{seed}/{name}"))
    return set(ordered[: max(1, round(len(ordered) / 10))]) if len(ordered) > 1 else set()


def parse_split(row: Row, column: str = "split") -> str | None:
    """The split that a table row names, under any of its usual names; None for an empty cell."""
    value = row.text(column).lower()
    if value and value not in SPLIT_NAMES:
        raise row.error(f"{column} is {value!r}, expected one of {', '.join(SPLITS)}")
    return SPLIT_NAMES[value] if value else None
