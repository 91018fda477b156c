"""Words of a text, in scripts with and without spaces."""

from __future__ import annotations

import pytest

from semanticmac.eval.missing.words import drop_words, word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I love, this  film!", ["I", "love,", "this", "film!"]),
        ("我喜欢，这部电影。", ["我", "喜", "欢，", "这", "部", "电", "影。"]),
        ("看 the film", ["看", "the", "film"]),
        ("don't — stop", ["don't", "—", "stop"]),
        (" \n ", []),
    ],
)
def test_words_with_their_punctuation(text, words):
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_a_text_that_keeps_every_word_is_not_changed():
    assert drop_words(" a  b\tc ", [True] * 3) == " a  b\tc "


def test_a_dropped_word_is_absent_or_replaced():
    assert drop_words("I love this film.", [True, False, True, False]) == "I this"
    assert drop_words("I love it.", [True, False, False], "[UNK]") == "I [UNK] [UNK]"
    assert drop_words("我喜欢。", [True, False, True]) == "我欢。"
    assert drop_words("a b", [False, False]) == ""
