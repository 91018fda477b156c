"""Models that a dataset cannot train are left out of all, and refused if they are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.planted import CPU, TASKS, planted_clips, write_corpus

from semanticmac.train.data import TrainError, open_data
from semanticmac.train.experiments.leaderboard.entrants import entrants
from semanticmac.train.experiments.leaderboard.trainable import (
    require_equal_test,
    without_untrainable,
)


def test_without_texts_models_of_texts_are_left_out(tmp_path: Path) -> None:
    clips = [replace(clip, text="") for clip in planted_clips("regression")]
    layout = write_corpus(tmp_path / "cache", TASKS["regression"], clips)
    data = {"": open_data(layout, "planted")}
    asked = entrants("planted", "planted", ["text", "audio", "mag", "svm"], (), {}, 0)

    left, notes = without_untrainable(asked, data, CPU, named=False)
    assert [entrant.name for entrant in left] == ["audio", "svm"]
    assert len(notes) == 2
    assert notes[0].startswith("text is left out: ")
    assert notes[1].startswith("mag is left out: ")

    with pytest.raises(TrainError, match="--models: text cannot be trained here"):
        without_untrainable(asked, data, CPU, named=True)
    with pytest.raises(TrainError, match="no model can be trained here: text is left out"):
        without_untrainable(asked[:1], data, CPU, named=False)


def test_streams_with_other_test_clips_are_refused(tmp_path: Path) -> None:
    layout = write_corpus(tmp_path / "cache", TASKS["regression"], planted_clips("regression"))
    data = open_data(layout, "planted")
    fewer = [row for row in data.manifest.rows if row.clip_id != "test2"]
    other = replace(data, manifest=replace(data.manifest, rows=tuple(fewer)))
    require_equal_test({"vision=a": data, "vision=b": data})
    with pytest.raises(TrainError, match=r"--streams vision=b: .* alone \(test2\)"):
        require_equal_test({"vision=a": data, "vision=b": other})
