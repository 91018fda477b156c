"""The corpora and what a check of a download found, as Rich tables that fit 80 columns."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from semanticmac.commands.ui.screen import Message
from semanticmac.core import SPLITS


class Card(Protocol):
    """What is known of a corpus before it is read."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def official(self) -> tuple[int, int, int] | None: ...
    @property
    def paper(self) -> tuple[int, int, int] | None: ...
    @property
    def source(self) -> str: ...
    @property
    def terms(self) -> str: ...
    @property
    def folder(self) -> str: ...
    @property
    def remark(self) -> str: ...


class Finding(Protocol):
    """One thing to know of a download."""

    @property
    def message(self) -> str: ...
    @property
    def problem(self) -> bool: ...


class Report(Protocol):
    """What a check found."""

    @property
    def root(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def card(self) -> Card | None: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def without_split(self) -> int: ...
    @property
    def labels(self) -> str: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def complete(self) -> bool: ...


def corpora_table(cards: Iterable[Card]) -> Table:
    """Every corpus in a few lines: what it is about, how many clips it has, where it comes from, what is expected."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, caption_justify="left")
    table.add_column("name, train / valid / test", no_wrap=True)
    table.add_column("task, where to get it, its terms, its folder")
    for card in cards:
        counts = slashes(card.official) if card.official else f"{slashes(card.paper)} *"
        about = Text(f"{card.task}\n{card.source}\n")
        about.append(f"{card.terms}\n{card.folder}\n", style="dim")
        table.add_row(Text(card.name, style="bold").append(f"\n{counts}", style="not bold"), about)
    table.caption = "* of the paper; the corpus itself names no counts"
    return table


def corpus_table(card: Card) -> Table:
    """One corpus: everything that a person needs before the download."""
    table = Table(
        title=card.title, title_justify="left", box=None, show_header=False, padding=(0, 1)
    )
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("", overflow="fold")
    lines = {
        "task": card.task,
        "official counts": f"{slashes(card.official)} (train / valid / test)",
        "in the paper": slashes(card.paper),
        "remark": card.remark,
        "get it": card.source,
        "terms": card.terms,
        "put it into": f"data/{card.name}, or say --root DIR",
        "expected there": card.folder,
        "then": f"semanticmac datasets check {card.name} --root DIR\nsemanticmac cache {card.name} --root DIR",
    }
    for name, value in lines.items():
        if value:
            table.add_row(name, Text(value))
    return table


def check_view(report: Report) -> RenderableType:
    """Counts beside those that are known, then every finding: what is wrong first, then what is only worth knowing.

    It has messages in it: print it with `print_uncropped`.
    """
    parts: list[RenderableType] = [_counts(report)] if report.counts else []
    if report.labels:
        parts.append(Message(f"labels: {report.labels}"))
    for finding in sorted(report.findings, key=lambda finding: not finding.problem):
        mark = Text("✗ ", style="bold red") if finding.problem else Text("· ", style="yellow")
        parts.append(
            Message(
                mark.append(finding.message, style="not bold" if finding.problem else "default")
            )
        )
    parts += [Message(f"note: {note}", "dim") for note in report.notes]
    if report.complete:
        command = shlex.join(["semanticmac", "cache", report.name, "--root", str(report.root)])
        parts.append(Message(f"{report.name} is whole: `{command}` can begin", "bold green"))
    else:
        parts.append(
            Message(
                f"{report.name} is not whole: its cache would lack what is marked ✗", "bold red"
            )
        )
    return Group(*parts)


def _counts(report: Report) -> Table:
    table = Table(title=report.name, title_justify="left", box=None, padding=(0, 1))
    table.add_column("clips")
    for split in SPLITS:
        table.add_column(split, justify="right")
    table.add_column("no split", justify="right")
    table.add_row(
        "found", *(str(report.counts.get(split, 0)) for split in SPLITS), str(report.without_split)
    )
    if report.card is not None:
        for name, counts in (
            ("official", report.card.official),
            ("in the paper", report.card.paper),
        ):
            if counts:
                table.add_row(name, *map(str, counts), style="dim")
    return table


def slashes(counts: tuple[int, int, int] | None) -> str:
    """`1284 / 229 / 686`."""
    return " / ".join(map(str, counts)) if counts else "none named"
