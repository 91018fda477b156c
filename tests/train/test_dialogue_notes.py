"""Remarks on dialogues that two splits share, and on positions that occur twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.dialogues import TASK, planted_dialogues
from support.planted import write_corpus

from semanticmac.train.config import with_name
from semanticmac.train.data import open_data, with_dialogue
from semanticmac.train.dialogue_notes import dialogue_notes
from semanticmac.train.overrides import override


def test_splits_that_share_a_dialogue_do_not_cut_it(tmp_path: Path) -> None:
    clips = planted_dialogues((4, 2, 2))
    clips = [replace(clip, label=clip.label or [1.0, 0.0]) for clip in clips]
    clips[4] = replace(clips[4], split="valid")
    clips[7] = replace(clips[7], position=1)
    layout = write_corpus(tmp_path / "cache", TASK, clips)
    config = override(with_name("planted", "bc-lstm"), {"modalities": "audio"})
    notes = dialogue_notes(with_dialogue(open_data(layout, "planted"), config.model), config.model)
    assert notes[0].startswith("6 dialogues of 30 utterances")
    assert notes[1:] == [
        "1 utterance has the position of an earlier one of the same dialogue: they are read in the "
        "order of the manifest"
    ]


def test_a_dialogue_longer_than_a_window_is_cut(tmp_path: Path) -> None:
    layout = write_corpus(tmp_path / "cache", TASK, planted_dialogues((4, 2, 2), utterances=9))
    settings = {"modalities": "audio", "dialogue_window": 4, "dialogue_overlap": 2}
    config = override(with_name("planted", "bc-lstm"), settings)
    notes = dialogue_notes(with_dialogue(open_data(layout, "planted"), config.model), config.model)
    assert "longer than dialogue_window=4: 6 dialogues are read in windows" in notes[1]
