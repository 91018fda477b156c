"""Output of every command: the two consoles, messages, exit codes, and the hint how to resume."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.style import Style
from rich.text import Text

from semanticmac.commands.ui.safe_console import SafeConsole, plain_text

# Exit codes besides 0.
DAMAGED, BAD_INPUT, CLIPS_FAILED, STOPPED = 1, 2, 3, 130

out = SafeConsole()  # results
err = SafeConsole(stderr=True)  # progress, notes and errors

# A word, a path, or a `command` with its spaces.
_UNBROKEN = re.compile(r"(?:`[^`\n]*`|\S)+")


class Message:
    """Text for a person, so printed that every path and command in it can be copied.

    A terminal gets lines that are broken at spaces, but never inside a `command`; a file gets one
    line. Rich alone would break at any space. Print a Message with `echo` or `print_uncropped`:
    Rich must not crop a word that is longer than the terminal is wide.
    """

    def __init__(self, text: str | Text, style: str | Style = "") -> None:
        self._text = text if isinstance(text, Text) else plain_text(text, style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._text.split("\n", allow_blank=True):
            pieces = _wrap(line, options.max_width) if console.is_terminal else [line]
            for piece in pieces:
                piece.no_wrap, piece.overflow = True, "ignore"
                yield piece


def _wrap(line: Text, width: int) -> list[Text]:
    """Breaks a line into pieces no wider than the terminal, where its words allow it."""
    breaks: list[int] = []
    start = 0
    for word in _UNBROKEN.finditer(line.plain):
        is_first = not line.plain[start : word.start()].strip()
        if not is_first and cell_len(line.plain[start : word.end()]) > width:
            start = word.start()
            breaks.append(start)
    pieces = list(line.divide(breaks))
    for piece in pieces:
        piece.rstrip()
    return pieces


def echo(console: Console, text: str | Text, style: str | Style = "") -> None:
    """Prints one message."""
    print_uncropped(console, Message(text, style))


def print_uncropped(console: Console, view: RenderableType) -> None:
    """Prints a view with messages or names in it: what is too wide for the terminal is not cut."""
    console.print(view, crop=False)


_plain = False


def use_plain(plain: bool) -> None:
    """Sets whether progress is plain lines on a terminal too, as for a log."""
    global _plain
    _plain = plain


def is_plain(console: Console) -> bool:
    """Whether progress is plain lines: by the user's wish, or because there is no terminal."""
    return _plain or not console.is_terminal


SAME_COMMAND = "run the same command again to go on"
KEPT = "What is done is kept"
_resume_hint, _state = SAME_COMMAND, KEPT


def set_resume_hint(hint: str = SAME_COMMAND, state: str = KEPT) -> None:
    """Sets how to resume, and what is kept, if the program is stopped from now on."""
    global _resume_hint, _state
    _resume_hint, _state = hint, state


def resume_hint() -> str:
    """How to resume, as the end of a sentence."""
    return _resume_hint


def kept_state() -> str:
    """What is kept of a stopped command, as a sentence without its period."""
    return _state


def print_stopped() -> None:
    echo(err, f"\nstopped. {_state}: {_resume_hint}.")


def print_notes(notes: Sequence[str]) -> None:
    """Prints one line per note."""
    for note in notes:
        echo(err, f"note: {note}", "yellow")
