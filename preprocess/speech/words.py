"""Words with their times, and which utterance each of them belongs to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.preprocess.speech.spans import Span, SpanLimits, join_short

# A word this far from every utterance makes one of its own.
NEAR_S = 0.5


@dataclass(frozen=True)
class Word:
    """One word of a transcript. Where its source has no word times, they are estimated."""

    text: str
    start_s: float
    end_s: float

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2


def spread(text: str, span: Span) -> list[Word]:
    """The words of a text over a span of time, each as long as its letters make it."""
    texts = text.split()
    letters = sum(len(word) for word in texts)
    words: list[Word] = []
    start_s = span.start_s
    for word in texts:
        end_s = start_s + span.length_s * len(word) / letters
        words.append(Word(word, start_s, end_s))
        start_s = end_s
    return words


def spread_over(text: str, spans: Sequence[Span]) -> list[Word]:
    """The words of a text over several spans, as if the pauses between them did not exist."""
    spoken_s = sum(span.length_s for span in spans)
    words: list[Word] = []
    for word in spread(text, Span(0.0, spoken_s)):
        offset_s = _offset_s(spans, word.middle_s)
        words.append(Word(word.text, word.start_s + offset_s, word.end_s + offset_s))
    return words


def _offset_s(spans: Sequence[Span], spoken_s: float) -> float:
    """What to add to a time that counts only the spans, to get the time in the recording."""
    before_s = 0.0
    for span in spans:
        if spoken_s < before_s + span.length_s:
            return span.start_s - before_s
        before_s += span.length_s
    return spans[-1].end_s - before_s


def assign(
    words: Sequence[Word], spans: Sequence[Span], limits: SpanLimits
) -> tuple[list[Span], list[list[Word]]]:
    """The utterances with the words of each; no word is lost.

    A word belongs to the utterance that its middle lies in, else to the nearest one within half a
    second. Words farther away make utterances of their own, because the voice activity did not
    hear them.
    """
    unheard = [word for word in words if _nearest(word, spans) is None]
    spans = _without_overlap(sorted([*spans, *_spans_of(unheard, limits)], key=_start_s))
    groups: list[list[Word]] = [[] for _ in spans]
    for word in words:
        index = _nearest(word, spans)
        assert index is not None  # unheard words have utterances now
        groups[index].append(word)
    return spans, groups


def _nearest(word: Word, spans: Sequence[Span]) -> int | None:
    """The utterance within half a second of the middle of a word; spans are in order."""
    after = bisect_right(spans, word.middle_s, key=_start_s)
    best, best_s = None, NEAR_S
    for index in (after - 1, after):
        if not 0 <= index < len(spans):
            continue
        span = spans[index]
        away_s = max(span.start_s - word.middle_s, word.middle_s - span.end_s, 0.0)
        if away_s < best_s:
            best, best_s = index, away_s
    return best


def _start_s(span: Span) -> float:
    return span.start_s


def _without_overlap(spans: Sequence[Span]) -> list[Span]:
    """The same spans; one that reaches into the next ends where that begins."""
    cut: list[Span] = []
    for span in spans:
        if cut and cut[-1].end_s > span.start_s:
            cut[-1] = Span(cut[-1].start_s, span.start_s)
        cut.append(span)
    return cut


def _spans_of(words: Sequence[Word], limits: SpanLimits) -> list[Span]:
    """Neighbouring words as spans of at most `max_s`, cut at pauses of `min_silence_s`."""
    spans: list[Span] = []
    for word in words:
        last = spans[-1] if spans else None
        if (
            last is not None
            and word.start_s - last.end_s < limits.min_silence_s
            and word.end_s - last.start_s <= limits.max_s
        ):
            spans[-1] = Span(last.start_s, max(last.end_s, word.end_s))
        else:
            spans.append(Span(word.start_s, word.end_s))
    return join_short(spans, limits)
