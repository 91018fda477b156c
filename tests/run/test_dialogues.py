"""What a model reads of a dialogue, in words."""

from __future__ import annotations

import pytest

from semanticmac.cache.windows import WindowSize
from semanticmac.model.config import ModelConfig, SettingsConflict
from semanticmac.run.dialogues import context_notes, context_words, window_size

WORDS = {
    ModelConfig(): ("", None),
    ModelConfig(setting="conversation", context_clips=1): (
        "1 before",
        "reads up to 1 clip of the dialogue before each target, and nothing after it",
    ),
    ModelConfig(name="bc-lstm"): (
        "all before",
        "reads the dialogue before each target, and nothing after it (future=0)",
    ),
    ModelConfig(name="sdt", future=2): (
        "all before, 2 after",
        "reads the dialogue before each target, and up to 2 utterances after it (future=2)",
    ),
}


@pytest.mark.parametrize("model", WORDS, ids=lambda model: f"{model.name}-{model.setting}")
def test_words_and_sentence(model: ModelConfig) -> None:
    words, sentence = WORDS[model]
    assert context_words(model) == words
    assert context_notes(model) == (() if sentence is None else (sentence,))


def test_windows_are_those_of_the_settings() -> None:
    model = ModelConfig(name="sdt", future=3, dialogue_window=20, dialogue_overlap=4)
    assert window_size(model) == WindowSize(20, 4, 3)


def test_windows_that_would_score_nothing_are_refused() -> None:
    with pytest.raises(SettingsConflict, match=r"dialogue_window=8 must be greater than 4 \+ 4"):
        ModelConfig(name="sdt", future=9, dialogue_window=8, dialogue_overlap=4)
