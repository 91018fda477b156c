"""What every verb prints with: the two consoles, notes, failures, and the exit codes that go with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.style import Style
from rich.text import Text

from semanticmac.commands.ui.safe_console import SafeConsole, plain_text

DAMAGED, BAD_INPUT, CLIPS_FAILED, STOPPED = 1, 2, 3, 130  # exit codes, beside 0

out, err = (
    SafeConsole(),
    SafeConsole(stderr=True),
)  # results, and everything about how they came to be

_UNBROKEN = re.compile(r"(?:`[^`\n]*`|\S)+")  # a word, a path, a `command` with its blanks


class Message:
    """Words for a person. A terminal breaks them at blanks, but not inside a `command`; elsewhere they are one line.

    Rich alone breaks at any blank, the terminal alone at any letter, and what is broken cannot be
    copied. Rich must not crop it: a word that is longer than the terminal is wide is left to the
    terminal. See `echo` and `print_whole`.
    """

    def __init__(self, words: str | Text, style: str | Style = "") -> None:
        self._words = words if isinstance(words, Text) else plain_text(words, style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._words.split("\n", allow_blank=True):
            for part in _broken(line, options.max_width) if console.is_terminal else [line]:
                part.no_wrap, part.overflow = True, "ignore"
                yield part


def _broken(line: Text, width: int) -> list[Text]:
    """The line in pieces that are no wider than the terminal, where its words allow it."""
    begins, start = [], 0
    for word in _UNBROKEN.finditer(line.plain):
        if (
            line.plain[start : word.start()].strip()
            and cell_len(line.plain[start : word.end()]) > width
        ):
            start = word.start()
            begins.append(start)
    pieces = list(line.divide(begins))
    for piece in pieces:
        piece.rstrip()
    return pieces


def echo(console: Console, words: str | Text, style: str | Style = "") -> None:
    """One message."""
    print_whole(console, Message(words, style))


def print_whole(console: Console, view: RenderableType) -> None:
    """What has messages or names in it: where it is wider than the terminal it is not cut off."""
    console.print(view, crop=False)


SAME_COMMAND = "run the same command again to go on"
_go_on = SAME_COMMAND


def set_resume_hint(words: str = SAME_COMMAND) -> None:
    """What a person is told to do where the program is stopped from now on."""
    global _go_on
    _go_on = words


def resume_hint() -> str:
    """What a person does to go on, as the end of a sentence."""
    return _go_on


def print_stopped() -> None:
    echo(err, f"\nstopped. What is done is kept: {_go_on}.")


def print_notes(notes: Sequence[str]) -> None:
    """What a person should know, one line each."""
    for note in notes:
        echo(err, f"note: {note}", "yellow")


def print_failures(listed_in: Path) -> None:
    """The clips that the last build could not cache, or cached with a remark."""
    from semanticmac.cache.failures import read_failures
    from semanticmac.commands.ui.tables import failures_table

    failures = [
        (failure.clip_id, failure.reason, failure.cached) for failure in read_failures(listed_in)
    ]
    if failures:
        failed = sum(not cached for _, _, cached in failures)
        echo(out, f"{failed} clips failed, {len(failures) - failed} are cached with a remark:")
        out.print(failures_table(failures))
        echo(out, f"each of them is listed in {listed_in}")
