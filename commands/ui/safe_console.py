"""A console on which text from files is only shown: it cannot move the cursor or reorder lines."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

# Control characters but line feed and tab, C1 controls, marks that change the direction of text,
# line separators that are not a line feed, and lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with every character that a terminal would act on written as an escape: `\\x1b`."""
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable_json(text: str) -> str:
    """JSON text with the same characters as JSON escapes: `\\u001b`. Its content stays equal."""
    return _UNSAFE.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def plain_text(name: str, style: str | Style = "") -> Text:
    """A string from a file as a part of a table or message, where `[red]` is no markup."""
    return Text(printable(name), style)


class SafeConsole(Console):
    """Rich's console, with `printable` applied to everything that is shown.

    Names, texts and reasons come from files of strangers. Whatever table, message or bar they
    stand in, they pass through here. An escape is wider than the character that it replaces, so
    that a table which is to stay aligned takes `plain_text`.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable; colours and Rich's own control codes stay."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
