"""A leaderboard goes on with the streams that it started with."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.streams import streams_of

from semanticmac.train.config import ConfigError
from semanticmac.train.experiments.leaderboard.chosen_streams import (
    with_chosen_streams,
    write_chosen_streams,
)
from semanticmac.train.experiments.leaderboard.entrants import entrants


def test_a_later_stream_changes_no_model_that_names_none(tmp_path: Path) -> None:
    choices = ("", "vision=other")
    asked = entrants("mosi", "mosi", ["text", "svm"], choices, {}, 0)
    assert with_chosen_streams(asked, tmp_path) == asked

    tiny = streams_of("tiny")
    newer = streams_of("newer")
    write_chosen_streams({"": tiny, "vision=other": tiny}, tmp_path)
    write_chosen_streams({"": newer}, tmp_path)

    for entrant in with_chosen_streams(asked, tmp_path):
        vision = "other" if entrant.streams else "tiny"
        assert (entrant.config.vision, entrant.config.audio) == (vision, "tiny")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "streams.json").write_text("{")
    asked = entrants("mosi", "mosi", ["text"], ("",), {}, 0)
    with pytest.raises(ConfigError, match=r"streams.json is damaged .*: remove it"):
        with_chosen_streams(asked, tmp_path)
