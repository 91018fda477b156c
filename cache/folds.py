"""Folds of a cached dataset: splits in which every speaker is tested once.

A fold is named `speaker:6:0`: fold 0 of 6. The name and the clips alone decide the splits.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import replace

from semanticmac.cache.manifest import Manifest, Row
from semanticmac.core import counted

VALID_SHARE = 0.15  # of the clips of a fold's training speakers
MOST_LEFT_OUT = 10  # up to so many speakers, each is a fold of its own
USUAL = 5  # folds of more speakers
_NAME = re.compile(r"speaker:(\d+):(\d+)")


class FoldError(Exception):
    """A dataset that cannot be divided into folds; the message says why."""


def fold_names(manifest: Manifest, asked: str) -> list[str]:
    """The folds that `--folds` asks for: `speaker`, or `speaker:N` for N of them.

    Without a number, each speaker is a fold of its own, or five folds share more than ten speakers.
    Raises FoldError where the clips have no speakers or too few of them.
    """
    match = re.fullmatch(r"speaker(?::(\d+))?", asked)
    if match is None:
        raise FoldError(f"folds {asked!r}: expected speaker, or speaker:N for N folds")
    speakers = len(_sizes(manifest))
    count = speakers if speakers <= MOST_LEFT_OUT else USUAL
    if match[1] is not None:
        count = int(match[1])
    if speakers < 3:
        raise FoldError(
            f"{manifest.dataset} has labelled clips of {counted(speakers, 'speaker')}: folds by "
            "speaker need at least 3, for train, valid and test"
        )
    if not 2 <= count <= speakers:
        raise FoldError(
            f"folds {asked!r}: {manifest.dataset} has labelled clips of {speakers} speakers, so "
            f"expected speaker:2 to speaker:{speakers}"
        )
    return [f"speaker:{count}:{index}" for index in range(count)]


def with_fold(manifest: Manifest, fold: str) -> Manifest:
    """The manifest with the splits of one fold; empty: its own splits.

    Test is the speakers of the fold. Validation is about 15 % of the other clips, again by speaker.
    A clip without a label or without a split has no split. Raises FoldError for a name that is not
    a fold of these clips, and where a split would have no clips.
    """
    if not fold:
        return manifest
    match = _NAME.fullmatch(fold)
    if match is None or int(match[2]) >= int(match[1]):
        raise FoldError(f"fold {fold!r}: expected speaker:COUNT:NUMBER, numbers from 0")
    split_of = _splits(_sizes(manifest), int(match[1]), int(match[2]))
    for name in ("train", "valid", "test"):
        if name not in split_of.values():
            raise FoldError(
                f"fold {fold} of {manifest.dataset}: no speaker is left for the {name} split. "
                f"There are {len(split_of)} speakers with labelled clips: ask for another number "
                "of folds (--folds speaker:N)"
            )
    rows = []
    for row in manifest.rows:
        split = split_of[row.speaker or ""] if _takes_part(row) else None
        rows.append(replace(row, split=split))
    return replace(manifest, rows=tuple(rows))


def _splits(sizes: Counter[str], count: int, index: int) -> dict[str, str]:
    """Speaker → split."""
    fold_of: dict[str, int] = {}
    clips = [0] * count
    # The speakers with most clips first, each into the smallest fold.
    for speaker in sorted(sizes, key=lambda name: (-sizes[name], _order(name))):
        smallest = clips.index(min(clips))
        fold_of[speaker] = smallest
        clips[smallest] += sizes[speaker]
    split_of: dict[str, str] = {}
    others = []
    for speaker in sizes:
        if fold_of[speaker] == index:
            split_of[speaker] = "test"
        else:
            others.append(speaker)
    others.sort(key=lambda name: _order(f"{index}/{name}"))
    target = VALID_SHARE * sum(sizes[speaker] for speaker in others)
    taken = 0
    for number, speaker in enumerate(others):
        is_valid = number == 0 or (number < len(others) - 1 and taken + sizes[speaker] / 2 < target)
        split_of[speaker] = "valid" if is_valid else "train"
        taken += sizes[speaker] if is_valid else 0
    return split_of


def _sizes(manifest: Manifest) -> Counter[str]:
    """Speaker → clips that take part. Raises FoldError for a clip without a speaker."""
    sizes: Counter[str] = Counter()
    unknown = []
    for row in manifest.rows:
        if not _takes_part(row):
            continue
        if row.speaker:
            sizes[row.speaker] += 1
        else:
            unknown.append(row.clip_id)
    if unknown:
        labelled = len(unknown) + sizes.total()
        raise FoldError(
            f"{len(unknown)} of {labelled} labelled clips of {manifest.dataset} have no speaker, "
            f"the first is {unknown[0]}: folds by speaker need one for each clip (column `speaker` "
            "of a clips.csv)"
        )
    return sizes


def _takes_part(row: Row) -> bool:
    return row.label is not None and row.split is not None


def _order(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
