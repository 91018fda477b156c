"""Rich tables of the corpora and of a check, at most 80 columns wide."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from semanticmac.commands.ui.screen import Message
from semanticmac.core import SPLITS
from semanticmac.preprocess.corpora.cards import UNSEEN

if TYPE_CHECKING:
    from semanticmac.preprocess.corpora.cards import CorpusCard, Counts
    from semanticmac.preprocess.corpora.check import CheckReport, Finding


def corpora_table(cards: Iterable[CorpusCard]) -> Table:
    """Each corpus in a few lines: counts, task, source, terms and the expected folder."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, caption_justify="left")
    table.add_column("name, train / valid / test", no_wrap=True)
    table.add_column("task, where to get it, its terms, its folder")
    for card in cards:
        counts = slashes(card.official or card.paper)
        if card.paper and not card.official:
            counts += " *"
        about = Text(f"{card.task}\n{card.source}\n")
        if card.unseen:
            about.append("not seen on a real copy\n", style="yellow")
        about.append(f"{card.terms}\n{card.folder}\n", style="dim")
        table.add_row(Text(card.name, style="bold").append(f"\n{counts}", style="not bold"), about)
    table.caption = "* counts of the paper; the corpus has no official ones"
    return table


def corpus_table(card: CorpusCard) -> Table:
    """All that a user needs to know of one corpus before the download."""
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
        "note": UNSEEN if card.unseen else "",
        "get it": card.source,
        "terms": card.terms,
        "put it into": f"data/{card.name}, or use --root DIR",
        "expected there": card.folder,
        "then": (
            f"semanticmac datasets check {card.name} --root DIR\n"
            f"semanticmac cache {card.name} --root DIR"
        ),
    }
    for name, value in lines.items():
        if value:
            table.add_row(name, Text(value))
    return table


def check_view(report: CheckReport) -> RenderableType:
    """The counts beside the known ones, then the findings: problems first.

    It contains messages, so print it with `print_uncropped`.
    """
    parts: list[RenderableType] = []
    if report.counts:
        parts.append(_counts(report))
    if report.labels:
        parts.append(Message(f"labels: {report.labels}"))
    problems = [finding for finding in report.findings if finding.problem]
    hints = [finding for finding in report.findings if not finding.problem]
    parts += [_finding(finding) for finding in problems + hints]
    parts += [Message(f"note: {note}", "dim") for note in report.notes]

    if report.complete:
        command = shlex.join(["semanticmac", "cache", report.name, "--root", str(report.root)])
        parts.append(Message(f"{report.name} is complete; next: `{command}`", "bold green"))
    else:
        message = f"{report.name} is incomplete: its cache would lack what is marked with ✗"
        parts.append(Message(message, "bold red"))
    return Group(*parts)


def _finding(finding: Finding) -> Message:
    if finding.problem:
        text = Text("✗ ", style="bold red").append(finding.message, style="not bold")
    else:
        text = Text("· ", style="yellow").append(finding.message, style="default")
    return Message(text)


def _counts(report: CheckReport) -> Table:
    table = Table(title=report.name, title_justify="left", box=None, padding=(0, 1))
    table.add_column("clips")
    for split in SPLITS:
        table.add_column(split, justify="right")
    table.add_column("no split", justify="right")
    counts = [str(report.counts.get(split, 0)) for split in SPLITS]
    table.add_row("this download", *counts, str(report.without_split))
    if report.card is not None:
        _add_known(table, "official", report.card.official)
        _add_known(table, "in the paper", report.card.paper)
    return table


def _add_known(table: Table, name: str, counts: Counts | None) -> None:
    if counts is not None:
        table.add_row(name, *map(str, counts), style="dim")


def slashes(counts: Counts | None) -> str:
    """`1284 / 229 / 686`."""
    return "none given" if counts is None else " / ".join(map(str, counts))
