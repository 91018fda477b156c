"""The leaderboard in a terminal: the plan before it starts, and the table at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Group

from semanticmac.commands.ui.progress import duration
from semanticmac.commands.ui.screen import Message
from semanticmac.eval.leaderboard.result import Leaderboard
from semanticmac.eval.leaderboard.tables import (
    deviation_notes,
    failure_notes,
    headline_metrics,
    reading_notes,
    reads_context,
    score_table,
)
from semanticmac.eval.report.results_table import Cell, Column, ResultsTable, Row, text_cell
from semanticmac.eval.report.write_terminal import to_terminal
from semanticmac.train.experiments.leaderboard.plan import PlannedTime

_METRICS = 3  # in 80 columns


def leaderboard_table(board: Leaderboard) -> Group:
    """Print it with `print_uncropped`: the notes below may be wider than the table."""
    letters = stream_letters(board)
    shown = _METRICS - 1 if reads_context(board) else _METRICS
    table = score_table(with_letters(board, letters), headline_metrics(board, shown))
    messages = [Message(f"{letter}: {choice}") for choice, letter in letters.items()]
    messages += [Message(note, "bold red") for note in failure_notes(board)]
    messages += [Message(note, "dim") for note in (*reading_notes(board), *deviation_notes(board))]
    return Group(to_terminal(table, notes=False), *messages)


def stream_letters(board: Leaderboard) -> dict[str, str]:
    """Choice of streams → A, B, …: the choices themselves are too wide for 80 columns."""
    choices = dict.fromkeys(row.streams for row in board.rows if row.streams)
    return {choice: chr(ord("A") + place) for place, choice in enumerate(choices)}


def with_letters(board: Leaderboard, letters: Mapping[str, str]) -> Leaderboard:
    """The same rows, with the letter of a choice of streams in each name."""
    rows = []
    for row in board.rows:
        if row.streams:
            row = replace(row, name=row.name.replace(row.streams, letters[row.streams]))
        rows.append(row)
    return replace(board, rows=tuple(rows))


def plan_table(planned: Sequence[PlannedTime]) -> Group:
    """The expected time of every model that is left."""
    rows = []
    for model in planned:
        cells = (
            Cell(1000 * model.step_s, unit="number", digits=0),
            Cell(model.epoch_s, unit="number", digits=1),
            text_cell(model.trainings),
            text_cell(model.epochs),
            text_cell(duration(model.total_s)),
        )
        rows.append(Row(model.name, cells))
    total = duration(sum(model.total_s for model in planned))
    blank = text_cell("")
    rows.append(Row("all", (blank, blank, blank, blank, text_cell(total)), style="strong"))
    columns = (
        Column("step, ms", "step\nms"),
        Column("epoch, s", "epoch\ns"),
        Column("trainings"),
        Column("epochs"),
        Column("time"),
    )
    table = ResultsTable("expected time", columns, tuple(rows), corner="model")
    note = (
        "measured on two steps of each model with its default settings; trials draw other widths "
        "and batch sizes, and several processes share the work; the SVM and the scores on test, "
        "also those of --missing, are not in it"
    )
    return Group(to_terminal(table), Message(note, "dim"))
