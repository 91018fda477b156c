"""Every target is scored in one window, with the utterances around it that the sizes promise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semanticmac.cache.manifest import Row
from semanticmac.cache.windows import WindowSize, dialogue_windows, longest_dialogue


def utterance(
    clip_id: str, dialogue: str | None, position: int | None, speaker: str | None = None
) -> Row:
    place = {"dialogue": dialogue, "position": position, "speaker": speaker}
    return Row(clip_id, clip_id, "", 0.0, None, "", None, 1, 0.5, True, True, None, **place)


@st.composite
def sizes(draw: st.DrawFn) -> WindowSize:
    overlap, future = draw(st.integers(0, 4)), draw(st.integers(0, 6))
    least = overlap + min(overlap, future) + 1
    return WindowSize(draw(st.integers(least, 14)), overlap, future)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), sizes(), st.randoms())
def test_every_target_is_scored_once_with_its_neighbours(lengths, size, random):
    rows, targets = [], []
    for dialogue, length in enumerate(lengths):
        for position in range(length):
            rows.append(utterance(f"{dialogue}-{position}", str(dialogue), position))
            if random.random() < 0.7:
                targets.append(rows[-1])
    shuffled = random.sample(rows, len(rows))
    windows = dialogue_windows(shuffled, targets, size)
    scored = []
    for window in windows:
        assert len(window.utterances) <= size.utterances
        positions = [row.position for row in window.utterances]
        assert positions == list(range(positions[0], positions[0] + len(positions)))
        assert len({row.dialogue for row in window.utterances}) == 1
        for i, (row, is_scored) in enumerate(zip(window.utterances, window.scored, strict=True)):
            if not is_scored:
                continue
            scored.append(row.clip_id)
            assert i >= min(row.position, size.overlap)
            later = lengths[int(row.dialogue)] - 1 - row.position
            assert len(positions) - 1 - i >= min(later, size.after)
            if lengths[int(row.dialogue)] <= size.utterances:
                assert i == row.position  # nothing before it is cut off
                assert len(positions) - 1 - i >= min(later, size.future)
    assert sorted(scored) == sorted(row.clip_id for row in targets)


def test_utterances_that_no_target_reads_are_left_out():
    rows = [utterance(str(i), "d", i) for i in range(10)]
    [window] = dialogue_windows(rows, rows[2:4], WindowSize(8, 2, future=1))
    assert [row.clip_id for row in window.utterances] == ["0", "1", "2", "3", "4"]
    assert window.scored == (False, False, True, True, False)


def test_windows_come_in_the_order_of_their_first_target():
    rows = [utterance("b1", "b", 1), utterance("a0", "a", 0), utterance("b0", "b", 0)]
    windows = dialogue_windows(rows, rows, WindowSize(4, 1))
    assert [[row.clip_id for row in window.utterances] for window in windows] == [
        ["b0", "b1"],
        ["a0"],
    ]


def test_speakers_are_numbered_by_first_appearance_in_the_whole_dialogue():
    names = ["Joey", None, "Ross", "Joey", None, "Ross"]
    rows = [utterance(str(i), "d", i, name) for i, name in enumerate(names)]
    first, second, third = dialogue_windows(rows, rows, WindowSize(3, 1))
    assert first.speakers == (0, 1, 2)
    assert second.speakers == (2, 0, 1)
    assert third.speakers == (0, 1, 2)  # at the end a window reaches back as far as it can
    assert third.scored == (False, False, True)


def test_a_clip_without_dialogue_or_position_is_a_dialogue_of_its_own():
    rows = [utterance("a", None, None), utterance("b", "d", None), utterance("c", "d", 0)]
    windows = dialogue_windows(rows, rows, WindowSize())
    assert [len(window.utterances) for window in windows] == [1, 1, 1]
    assert longest_dialogue(rows) == 1
    assert longest_dialogue([]) == 0


def test_a_window_that_would_score_nothing_is_refused():
    with pytest.raises(ValueError, match=r"dialogue_window=6 must be greater than 3 \+ 3"):
        WindowSize(6, 3, future=9)
    with pytest.raises(ValueError, match=r"overlap=-1 and future=0 must be at least 0"):
        WindowSize(6, -1)
