"""Words of a text, and the text without some of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Scripts without spaces between words: each character counts as a word.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# A word with its punctuation; a sign that stands alone counts as a word.
_WORD = re.compile(rf"[{_CJK}][^\w\s]*|[^\s{_CJK}]+")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each word. Chinese, Japanese and Korean count characters."""
    return [match.span() for match in _WORD.finditer(text)]


def drop_words(text: str, kept: Sequence[bool], substitute: str = "") -> str:
    """The text without the words that are not kept, one truth value for each word.

    substitute: stands in place of each dropped word, with spaces around it. A text that keeps all
    words is returned unchanged.
    """
    if all(kept):
        return text
    parts = []
    previous_end = 0
    for (start, end), keep in zip(word_spans(text), kept, strict=True):
        parts.append(text[previous_end:start])
        if keep:
            parts.append(text[start:end])
        elif substitute:
            parts.append(f" {substitute} ")
        previous_end = end
    parts.append(text[previous_end:])
    return " ".join("".join(parts).split())
