"""Folds by speaker: every speaker is tested once, and no speaker stands in two splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from semanticmac.cache.folds import FoldError, fold_names, with_fold
from semanticmac.cache.keys import Sampling
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.core import Task


def row(name: str, speaker: str | None, label: list[float] | None = None) -> Row:
    fields = (name, "k", "", 0.0, None, "", "train", 1, 0.5, False, True)
    return Row(*fields, [1.0] if label is None else label, speaker=speaker)


def manifest(speakers: int, clips: int = 4) -> Manifest:
    rows = []
    for speaker in range(speakers):
        for clip in range(clips + speaker % 3):
            rows.append(row(f"{speaker}-{clip}", f"s{speaker:02d}"))
    return Manifest("planted", Task("regression"), Sampling(), tuple(rows))


@pytest.mark.parametrize(
    ("speakers", "asked", "count"),
    [(6, "speaker", 6), (24, "speaker", 5), (24, "speaker:8", 8), (3, "speaker", 3)],
)
def test_every_speaker_is_tested_once(speakers, asked, count):
    data = manifest(speakers)
    names = fold_names(data, asked)
    assert names == [f"speaker:{count}:{index}" for index in range(count)]
    tested: Counter[str] = Counter()
    for name in names:
        folded = with_fold(data, name)
        by_split = {
            split: {clip.speaker for clip in folded.split(split)}
            for split in ("train", "valid", "test")
        }
        assert all(by_split.values())
        assert not by_split["train"] & by_split["valid"]
        assert not by_split["test"] & (by_split["train"] | by_split["valid"])
        tested.update(clip.clip_id for clip in folded.split("test"))
    assert tested == Counter(clip.clip_id for clip in data.rows)


def test_folds_are_balanced_and_depend_on_names_alone():
    data = manifest(24)
    sizes = [len(with_fold(data, name).split("test")) for name in fold_names(data, "speaker:6")]
    assert max(sizes) - min(sizes) <= 2
    backwards = replace(data, rows=data.rows[::-1])
    for name in fold_names(data, "speaker:6"):
        split_of = {clip.clip_id: clip.split for clip in with_fold(data, name).rows}
        assert split_of == {clip.clip_id: clip.split for clip in with_fold(backwards, name).rows}


def test_clips_without_label_or_split_stay_out():
    data = manifest(4)
    bare = replace(row("bare", None), label=None)
    context = replace(row("context", "s00"), split=None)
    folded = with_fold(replace(data, rows=(*data.rows, bare, context)), "speaker:4:0")
    assert [clip.split for clip in folded.rows[-2:]] == [None, None]
    assert with_fold(data, "") == data


@pytest.mark.parametrize(
    ("fold", "split"), [("speaker:2:1", "train"), ("speaker:1:0", "train"), ("speaker:9:8", "test")]
)
def test_a_fold_without_clips_in_a_split_is_refused(fold, split):
    """In two folds of three speakers, the greatest speaker is alone beside one of the folds."""
    with pytest.raises(FoldError, match=f"no speaker is left for the {split} split. There are 3"):
        with_fold(manifest(3), fold)


def test_what_cannot_be_divided_is_refused():
    data = manifest(4)
    with pytest.raises(FoldError, match="expected speaker, or speaker:N"):
        fold_names(data, "video")
    for asked in ("speaker:9", "speaker:1", "speaker:0"):
        expected = "clips of 4 speakers, so expected speaker:2 to speaker:4"
        with pytest.raises(FoldError, match=f"folds '{asked}': .* {expected}"):
            fold_names(data, asked)
    with pytest.raises(FoldError, match="clips of 2 speakers: folds by speaker need at least 3"):
        fold_names(manifest(2), "speaker")
    with pytest.raises(FoldError, match="expected speaker:COUNT:NUMBER"):
        with_fold(data, "speaker:4:4")
    unknown = replace(data, rows=(*data.rows, row("x", None)))
    with pytest.raises(FoldError, match="have no speaker, the first is x"):
        fold_names(unknown, "speaker")
