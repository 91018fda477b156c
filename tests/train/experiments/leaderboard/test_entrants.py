"""The rows of a leaderboard, with their settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from semanticmac.model.registry import DIALOGUE_MODELS
from semanticmac.run.dialogues import context_words
from semanticmac.train.config import ConfigError
from semanticmac.train.config_io import tuned_settings
from semanticmac.train.experiments.leaderboard.entrants import (
    SEMANTICMAC_REFERENCE,
    entrants,
    leaderboard_models,
)

CITATION = Path(__file__).parents[4] / "CITATION.cff"


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


def test_dialogues_and_context_stand_beside_the_clips_where_there_are_dialogues() -> None:
    with_dialogues = leaderboard_models(dialogues=True)
    added = set(with_dialogues) - set(leaderboard_models())
    assert added == {*DIALOGUE_MODELS, "text+context", "semanticmac+context"}
    models = ["text", "text+context", "bc-lstm"]
    text, context, dialogues = entrants("meld", "meld", models, (), {"epochs": 3}, 2)
    assert context_words(text.config.model) == ""
    assert context_words(context.config.model) == "3 before"
    assert context_words(dialogues.config.model) == "all before"
    assert context.space == text.space and context.name == "text+context"
    assert "reads 3 clips before the target" in context.about()[0]


@pytest.mark.parametrize("name", ["svm+context", "bc-lstm+context", "nothing+context"])
def test_context_belongs_to_a_model_that_reads_clips(name: str) -> None:
    with pytest.raises(ConfigError, match="--models"):
        entrants("meld", "meld", [name], (), {}, 0)


def test_the_paper_of_semanticmac_is_the_one_to_cite() -> None:
    authors, title, number = SEMANTICMAC_REFERENCE.split(", ")
    citation = CITATION.read_text(encoding="utf-8")
    references = citation.split("references:")[1]
    assert f'title: "{title}"' in references
    assert number in references
    assert references.split("family-names: ")[1].startswith(authors.removesuffix(" et al.") + "\n")


def test_a_choice_of_streams_is_compared_once() -> None:
    choices = ("vision=a,audio=b", "audio=b, vision=a", "vision=a,audio=b", "vision=c")
    compared = entrants("mosi", "mosi", ["audio"], choices, {}, 0)
    assert [entrant.name for entrant in compared] == [
        "audio · vision=a,audio=b",
        "audio · vision=c",
    ]


def test_streams_are_vision_and_audio_alone() -> None:
    with pytest.raises(ConfigError, match="epochs names no stream, only vision and audio do"):
        entrants("mosi", "mosi", ["audio"], ("vision=a,epochs=3",), {}, 0)
