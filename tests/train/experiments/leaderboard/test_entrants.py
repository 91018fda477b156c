"""The rows of a leaderboard, with their settings."""

from __future__ import annotations

import pytest

from semanticmac.train.config import ConfigError
from semanticmac.train.config_io import tuned_settings
from semanticmac.train.experiments.leaderboard.entrants import entrants, leaderboard_models


def test_tuned_stands_beside_the_paper_with_the_same_space() -> None:
    names = ["semanticmac", "semanticmac-tuned"]
    assert set(names) <= set(leaderboard_models())
    paper, tuned = entrants("mosi", "mosi", names, (), {"epochs": 3}, 2)
    changed = {}
    for key, value in tuned.config.flat().items():
        if value != paper.config.flat()[key]:
            changed[key] = value
    assert changed == tuned_settings()
    assert tuned.space == paper.space
    assert tuned.name == "semanticmac-tuned" and "preset tuned" in tuned.about()[0]


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="--models"):
        entrants("mosi", "mosi", ["semanticmac-tunned"], (), {}, 0)
