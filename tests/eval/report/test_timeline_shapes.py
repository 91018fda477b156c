"""Times on the axis of a time line."""

from __future__ import annotations

import pytest

from semanticmac.eval.report.timeline_shapes import clock, time_ticks


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (75.9, "1:15"), (3599.9, "59:59"), (3727, "1:02:07")]
)
def test_times_of_day(seconds, text) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("seconds", [0.4, 5, 70, 720, 3600, 40_000])
def test_there_are_a_few_round_times(seconds) -> None:
    ticks = time_ticks(seconds)
    assert 1 <= len(ticks) <= 9 and ticks[0] == (0.0, "0:00")
