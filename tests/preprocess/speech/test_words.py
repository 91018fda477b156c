"""Words find their utterances, and none is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from semanticmac.preprocess.speech.spans import Span, SpanLimits
from semanticmac.preprocess.speech.words import Word, assign, spread, spread_over

LIMITS = SpanLimits()


def test_words_of_a_line_are_as_long_as_their_letters():
    words = spread("a bcd", Span(2, 4))
    assert [(word.text, word.start_s, word.end_s) for word in words] == [
        ("a", 2, 2.5),
        ("bcd", 2.5, 4),
    ]
    assert spread("  ", Span(2, 4)) == []


def test_a_text_without_times_skips_the_pauses():
    words = spread_over("one two six ten", [Span(0, 2), Span(10, 12)])
    assert [round(word.middle_s, 2) for word in words] == [0.5, 1.5, 10.5, 11.5]


def test_a_word_belongs_to_the_utterance_of_its_middle_or_to_the_nearest():
    spans = [Span(0, 2), Span(3, 5)]
    words = [Word("in", 1, 1.5), Word("late", 2.1, 2.3), Word("early", 2.7, 2.9)]
    same, groups = assign(words, spans, LIMITS)
    assert same == spans
    assert [[word.text for word in group] for group in groups] == [["in", "late"], ["early"]]


def test_words_that_nobody_heard_make_utterances_of_their_own():
    spans, groups = assign([Word("sung", 8, 8.6), Word("here", 8.7, 9.4)], [Span(0, 2)], LIMITS)
    assert spans == [Span(0, 2), Span(8, 9.4)]
    assert [[word.text for word in group] for group in groups] == [[], ["sung", "here"]]


@given(
    starts=st.lists(st.floats(0, 100), max_size=30),
    edges=st.lists(st.floats(0, 100), max_size=12, unique=True),
)
def test_every_word_is_in_one_utterance_and_they_do_not_overlap(starts, edges):
    words = [
        Word(str(index), start_s, start_s + 0.4) for index, start_s in enumerate(sorted(starts))
    ]
    ordered = sorted(edges)
    spans = [Span(a, b) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]
    new, groups = assign(words, spans, LIMITS)
    assert sorted(int(word.text) for group in groups for word in group) == list(range(len(words)))
    for before, after in pairwise(new):
        assert before.end_s <= after.start_s


def test_a_slow_search_finds_the_same_utterances():
    spans = [Span(i * 3.0, i * 3.0 + 2) for i in range(20)]
    words = [Word("w", i * 0.37, i * 0.37 + 0.2) for i in range(150)]
    spans, groups = assign(words, spans, LIMITS)
    for span, group in zip(spans, groups, strict=True):
        for word in group:
            away = [max(s.start_s - word.middle_s, word.middle_s - s.end_s, 0) for s in spans]
            assert max(span.start_s - word.middle_s, word.middle_s - span.end_s, 0) == min(away)
