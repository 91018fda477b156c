"""What every verb prints with: the two consoles, notes, failures, and the exit codes that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

DAMAGED, BAD_INPUT, CLIPS_FAILED, STOPPED = 1, 2, 3, 130  # exit codes, beside 0

out, err = Console(), Console(stderr=True)  # results, and everything about how they came to be


_go_on = "run the same command again to go on"


def how_to_go_on(words: str) -> None:
    """What a person is told to do where the program is stopped from now on."""
    global _go_on
    _go_on = words


def going_on() -> str:
    """What a person does to go on, as the end of a sentence."""
    return _go_on


def print_stopped() -> None:
    err.print(f"\nstopped. What is done is kept: {_go_on}.", highlight=False, markup=False, soft_wrap=True)


def print_notes(notes: Sequence[str]) -> None:
    """What a person should know, one line each."""
    for note in notes:
        err.print(f"note: {note}", style="yellow", highlight=False, markup=False)


def print_failures(listed_in: Path) -> None:
    """The clips that the last build could not cache, or cached with a remark."""
    from semanticmac.cache.failures import read_failures
    from semanticmac.console.tables import failures_table

    failures = [(failure.clip_id, failure.reason, failure.cached) for failure in read_failures(listed_in)]
    if failures:
        failed = sum(not cached for _, _, cached in failures)
        out.print(f"{failed} clips failed, {len(failures) - failed} are cached with a remark:", highlight=False)
        out.print(failures_table(failures))
        out.print(f"each of them is listed in {listed_in}", highlight=False, soft_wrap=True)
