"""Messages wrap at blanks on a terminal and are one line elsewhere; bars show the speed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from semanticmac.commands.ui.progress import Screen, duration, rate
from semanticmac.commands.ui.screen import echo, use_plain

PATH = "runs/a-folder-with-a-name/that-is-long/seed-1"
COMMAND = f"`semanticmac train --resume {PATH}`"


def said(words: str, terminal: bool, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    echo(console, words)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text.splitlines()


@pytest.mark.parametrize("width", [78, 80, 120])
def test_a_terminal_breaks_at_blanks_and_never_in_a_command(width: int) -> None:
    for lead in range(80):
        words = (
            f"{'x ' * lead}{PATH} was stopped (in epoch 1): {COMMAND} goes on; "
            f"{'y ' * lead}({COMMAND})."
        )
        lines = said(words, terminal=True, width=width)
        assert " ".join(lines) == words
        assert max(map(len, lines)) <= width
        assert sum(line.count(COMMAND) for line in lines) == 2
        assert sum(line.count(PATH) for line in lines) == 3


def test_what_is_longer_than_the_terminal_is_left_to_it_whole() -> None:
    command = f"`semanticmac eval {' '.join(f'--run runs/demo-{i:03d}' for i in range(9))}`"
    assert said(f"next: {command} or\nnot", terminal=True) == ["next:", command, "or", "not"]
    assert said(f"an odd ` and {PATH * 3}", terminal=True) == ["an odd ` and", PATH * 3]


@pytest.mark.parametrize("words", [f"{'word ' * 40}{COMMAND}", f"[bold]{PATH * 4} :smile:"])
def test_a_file_has_one_line_as_it_is(words: str) -> None:
    assert said(words, terminal=False) == [words]


def test_above_the_bars_a_message_is_whole_and_the_bars_stay_within_the_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with Screen(console) as screen:
        screen.progress("ablation runs", 10, 80, 12)
        screen.line(f"{'word ' * 14}{COMMAND}")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert COMMAND in text
    assert all(
        "12 failed" in line and "…" not in line for line in text.splitlines() if "10/80" in line
    )


@pytest.mark.parametrize(
    ("per_s", "words"),
    [(120.0, "120.0/s"), (1.0, "1.0/s"), (0.5, "2.0 s each"), (0.02, "50 s each")],
)
def test_slow_things_say_how_long_each_takes(per_s: float, words: str) -> None:
    assert rate(per_s) == words


class Clock:
    """A clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("semanticmac.commands.ui.progress.time.monotonic", self.read)

    def read(self) -> float:
        return self.now


def progress_lines(clock: Clock, terminal: bool, first: int = 0) -> str:
    """Twenty clips of ten seconds each, of a hundred."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with Screen(console) as screen:
        for done in range(first, first + 20):
            screen.progress("encoding", done, 100, 0)
            clock.now += 10
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize("terminal", [True, False])
def test_the_length_of_long_work_is_said_once(monkeypatch, terminal: bool) -> None:
    text = progress_lines(Clock(monkeypatch), terminal)
    assert text.count("measured on the first") == 1
    assert "encoding: about 16 min left, measured on the first 3%" in text


def test_a_resumed_stage_is_measured_on_its_own_part(monkeypatch) -> None:
    text = progress_lines(Clock(monkeypatch), terminal=False, first=60)
    assert "about 6 min left, measured on the first 8%" in text
    assert "encoding: 61/100, 10 s each, 6 min left" in text


def test_plain_progress_on_a_terminal(monkeypatch) -> None:
    use_plain(True)
    try:
        text = progress_lines(Clock(monkeypatch), terminal=True)
    finally:
        use_plain(False)
    assert "encoding: 3/100" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (89, "89 s"), (725, "12 min"), (3600, "1 h"), (4800, "1 h 20 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
