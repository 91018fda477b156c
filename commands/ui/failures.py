"""Clips that failed, or are cached with a remark, grouped by reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from semanticmac.cache.failures import Failure, read_failures
from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.commands.ui.screen import echo, out
from semanticmac.core import counted

SHOWN_REASONS = 30
SHOWN_CLIPS = 3  # of one reason


def print_failures(file: Path) -> None:
    """Prints the failures that the last build of a dataset wrote to its failures.jsonl."""
    failures = read_failures(file)
    if not failures:
        return
    cached = sum(failure.cached for failure in failures)
    failed = len(failures) - cached
    echo(out, f"{counted(failed, 'clip')} failed, {cached} cached with a remark:")
    out.print(failures_table(failures))
    echo(out, f"each of them is listed in {file}")


def failures_table(failures: Sequence[Failure]) -> Table:
    """One row per reason with its first clips; failed clips before cached ones."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for failure in failures:
        groups.setdefault((failure.cached, failure.reason), []).append(failure.clip_id)
    reasons = sorted(groups, key=lambda group: group[0])

    table = Table(box=None, padding=(0, 1))
    table.add_column("")
    table.add_column("clips", overflow="fold")
    table.add_column("reason", overflow="fold")
    for cached, reason in reasons[:SHOWN_REASONS]:
        state = Text("cached", "yellow") if cached else Text("failed", "bold red")
        clips = groups[cached, reason]
        shown = "\n".join(clips[:SHOWN_CLIPS])
        if len(clips) > SHOWN_CLIPS:
            shown += f" … {len(clips)} in all"
        table.add_row(state, plain_text(shown), plain_text(reason))
    if len(reasons) > SHOWN_REASONS:
        table.add_row("", f"… {counted(len(reasons) - SHOWN_REASONS, 'more reason')}", "")
    return table
