"""Notes of the command cache."""

from __future__ import annotations

from semanticmac.commands.cache import long_text_notes


def test_texts_that_training_will_cut_are_counted() -> None:
    texts = ["word " * 129, "word " * 128, "愛" * 129, "", "a text"]
    assert long_text_notes("mosi", texts[1:2]) == []
    [note] = long_text_notes("mosi", texts)
    assert note.startswith("2 of 5 texts have more than 128 words: training cuts them")
