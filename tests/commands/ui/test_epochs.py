"""Epochs on the screen: a live table on a terminal, plain lines elsewhere, one bar per epoch."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from semanticmac.commands.ui import progress
from semanticmac.commands.ui.epochs import EpochLines, epochs_table
from semanticmac.commands.ui.progress import Screen
from semanticmac.core import SUB_TASKS
from semanticmac.train.logger import EpochLog


def epoch(number: int, valid: float = 0.5, best: bool = False, text: float = 0.25) -> EpochLog:
    losses = dict.fromkeys(SUB_TASKS, 10.125) | {"text": text}
    terms = {"intra": 12.5, "inter": 10.25}
    return EpochLog(number, 99.875, terms, losses, "validation weighted F1", valid, best)


def shown(epochs: list[EpochLog], width: int = 80) -> list[list[str]]:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(epochs_table(epochs))
    lines = screen.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width and not any("…" in line for line in lines)
    return [line.split() for line in lines[2:]]


def test_the_table_fits_and_says_every_loss() -> None:
    numbers = ["99.875", "10.125", "10.125", "0.250", "10.125", "10.125", "12.500", "10.250"]
    assert shown([epoch(1, 0.5678, best=True)]) == [["1", *numbers, "56.78", "★"]]
    assert shown([epoch(1, text=0.0)])[0][4] == "–"  # what is not trained has no loss


def test_the_last_epochs_stand_there_and_the_best_one_with_them() -> None:
    run = [epoch(i, best=i in (1, 3)) for i in range(1, 13)]
    first, last = shown(run[:9]), shown(run)
    assert [line[0] for line in first] == [str(i) for i in range(1, 10)]
    assert [line[0] for line in last] == [str(i) for i in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)]
    assert [line[0] for line in shown([*run, epoch(13)])] == [
        str(i) for i in (3, 5, 6, 7, 8, 9, 10, 11, 12, 13)
    ]
    for table in (first, last):
        assert [line[0] for line in table if line[-1] == "★"] == [
            "3"
        ]  # the best, not every one that once was


def test_a_terminal_has_a_table_above_its_bars_and_a_file_has_lines() -> None:
    written = {}
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
        with Screen(console) as screen:
            lines = EpochLines(screen)
            for number in (1, 2, 1, 2, 3):  # a training of two epochs, and one of three
                lines.show(epoch(number, number / 10, best=number == 2))
                screen.progress("training", number, 3, 0)
            screen.line("a note")
        written[terminal] = console.file.getvalue()
    live, plain = written[True], written[False].splitlines()
    last = live[live.rindex("validation") :].splitlines()
    assert (
        [line.split()[0] for line in last[2:5]] == ["1", "2", "3"]
        and "training" in last[5]
        and "3/3" in last[5]
    )
    assert "a note" in live
    assert sum(line.startswith("epoch") for line in plain) == 2
    assert [line.split()[0] for line in plain if "20.00 ★" in line] == ["2", "2"]


def test_a_line_an_epoch_names_every_loss_in_full_above_its_numbers() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Screen(console) as screen:
        EpochLines(screen).show(epoch(1, 0.5678, best=True))
    head, line = console.file.getvalue().splitlines()
    assert head.split()[:-2] == ["epoch", "loss", *SUB_TASKS, "intra", "inter"] and len(head) <= 80
    numbers = [99.875, *([10.125] * len(SUB_TASKS)), 12.5, 10.25]
    numbers[1 + SUB_TASKS.index("text")] = 0.25
    for name, number in zip(head.split()[1:], numbers, strict=False):
        end = head.index(f" {name} ") + 1 + len(name)
        assert line[:end].endswith(f" {number:.3f}"), name


def test_a_stage_that_begins_again_is_timed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=80)
    screen = Screen(console)
    for second, done in ((0, 0), (100, 10), (200, 0), (210, 10)):
        now[0] = float(second)
        screen.progress("training", done, 10, 0)
    assert console.file.getvalue().splitlines() == [
        "training: 10/10, 10 s each",
        "training: 10/10, 1.0/s",
    ]
