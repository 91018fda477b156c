"""Speakers of an RTTM file: one speaker an utterance."""

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.speech.spans import Span, SpanLimits
from semanticmac.preprocess.speech.speakers import Turn, read_rttm, speaker_of, split_at_turns

RTTM = """SPKR-INFO a 1 <NA> <NA> <NA> unknown ann <NA> <NA>
SPEAKER a 1 4.00 2.00 <NA> <NA> bob <NA> <NA>
SPEAKER a 1 0.00 4.00 <NA> <NA> ann <NA> <NA>
"""


def test_turns_are_read_in_order_of_time(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(RTTM)
    assert read_rttm(path) == {"a": [Turn("ann", Span(0, 4)), Turn("bob", Span(4, 6))]}


def test_an_utterance_is_cut_where_the_speaker_changes():
    turns = [Turn("ann", Span(0, 4)), Turn("bob", Span(4, 6)), Turn("bob", Span(6.2, 9))]
    spans = split_at_turns([Span(1, 8)], turns, SpanLimits())
    assert spans == [Span(1, 4), Span(4, 8)]
    assert [speaker_of(span, turns) for span in spans] == ["ann", "bob"]
    # A part shorter than an utterance stays with the rest.
    assert split_at_turns([Span(3.5, 8)], turns, SpanLimits()) == [Span(3.5, 8)]
    assert speaker_of(Span(3.5, 8), turns) == "bob"
    assert speaker_of(Span(20, 21), turns) == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER a 1 zero 2.00 <NA> <NA> bob <NA> <NA>", "line 1: expected `SPEAKER name"),
        ("SPEAKER a 1", "line 1"),
        ("ann 0 4", "no line that begins with SPEAKER"),
    ],
)
def test_a_wrong_line_is_refused(tmp_path, line, message):
    path = tmp_path / "a.rttm"
    path.write_text(line)
    with pytest.raises(CorpusError, match=message):
        read_rttm(path)
