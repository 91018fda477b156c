"""Utterances from a probability of speech: their lengths, their order, and where they are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semanticmac.preprocess.speech.spans import HOP_S, Span, SpanLimits, join_short, speech_spans

LIMITS = SpanLimits()


def speech(*parts: tuple[float, float]) -> np.ndarray:
    """(seconds, probability) … → one value for each 32 ms."""
    values = [np.full(round(length_s / HOP_S), probability) for length_s, probability in parts]
    return np.concatenate(values).astype(np.float32)


def rounded(spans: list[Span]) -> list[tuple[float, float]]:
    return [(round(span.start_s, 1), round(span.end_s, 1)) for span in spans]


def test_a_pause_of_the_given_length_ends_an_utterance():
    paused = speech((1, 0), (2, 0.9), (0.4, 0.1), (2, 0.9), (1, 0))
    assert rounded(speech_spans(paused, LIMITS)) == [(0.8, 3.1), (3.2, 5.5)]
    patient = SpanLimits(min_silence_s=0.6)
    assert rounded(speech_spans(paused, patient)) == [(0.8, 5.5)]


def test_a_click_is_no_utterance_and_a_hesitation_is_no_pause():
    assert speech_spans(speech((2, 0), (0.1, 0.9), (2, 0)), LIMITS) == []
    # Between the two thresholds speech goes on.
    hesitating = speech((1, 0.9), (1, 0.4), (1, 0.9))
    assert rounded(speech_spans(hesitating, LIMITS)) == [(0, 3)]


def test_long_speech_is_cut_where_it_is_quietest():
    long = speech((9, 0.9), (0.2, 0.5), (9, 0.9))
    first, second = speech_spans(long, LIMITS)
    assert first.end_s == second.start_s == pytest.approx(9.1, abs=0.15)


def test_a_short_utterance_joins_the_nearer_neighbour_or_is_widened():
    near = [Span(0, 3), Span(3.2, 3.6), Span(4.2, 8)]
    assert join_short(near, LIMITS) == [Span(0, 3.6), Span(4.2, 8)]
    assert join_short([Span(0, 3), Span(8, 8.5)], LIMITS) == [Span(0, 3), Span(8, 8.5)]
    [alone] = speech_spans(speech((3, 0), (0.5, 0.9), (3, 0)), LIMITS)
    assert alone.length_s == pytest.approx(1.0)


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.floats(0.05, 25), st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0])),
        min_size=1,
        max_size=12,
    ),
    limits=st.sampled_from([LIMITS, SpanLimits(0.5, 4, 0.1), SpanLimits(3, 6.5, 1.0)]),
)
def test_whatever_is_heard_the_utterances_are_ordered_and_of_the_right_length(parts, limits):
    heard = speech(*parts, (1, 0))
    spans = speech_spans(heard, limits)
    duration_s = len(heard) * HOP_S
    end_s = 0.0
    for index, span in enumerate(spans):
        assert end_s <= span.start_s < span.end_s <= duration_s + 1e-9
        assert span.length_s <= limits.max_s + 1e-9
        if span.length_s < limits.min_s - 1e-9:
            # Only where its neighbours leave no room.
            next_s = spans[index + 1].start_s if index + 1 < len(spans) else duration_s
            assert span.start_s - end_s < 1e-9 and next_s - span.end_s < 1e-9
        end_s = span.end_s
    # Clear speech that is longer than a click lies in some utterance.
    position_s = 0.0
    for length_s, probability in parts:
        middle_s = position_s + length_s / 2
        if probability == 1.0 and length_s > 0.5:
            assert any(span.start_s <= middle_s <= span.end_s for span in spans)
        position_s += round(length_s / HOP_S) * HOP_S


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((10, 15, 0.3), "must be at least twice the shortest"),
        ((0, 15, 0.3), "both above 0"),
        ((1, 15, 0), "give at least 0.032 s"),
    ],
)
def test_lengths_that_contradict_each_other_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        SpanLimits(*lengths)
