"""A ResultsTable for a terminal."""

from __future__ import annotations

from rich.console import Console
from support.tables import TABLE

from semanticmac.eval.report.results_table import Cell, Column, ResultsTable, Row
from semanticmac.eval.report.write_terminal import to_terminal


def printed(**options: bool) -> str:
    console = Console(width=80, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(to_terminal(TABLE, **options))
    return capture.get()


def test_names_are_printed_as_they_are() -> None:
    lines = [" ".join(line.split()) for line in printed().splitlines()]
    assert lines == [
        r"<b>mine</b> · $\foo$",
        "F1",
        "(a_b) MAE",
        "@paper 86.4",
        "[red] undefined 1.250",
        "-ours 87.5 ± 1.2 undefined",
        "* <i>x_y</i> +1+1",
        "the encoder is untrained",
        "5 clips scored",
    ]


def test_spread_and_notes_have_their_options() -> None:
    text = printed(spread_below=True, notes=False)
    assert "87.5 ± 1.2" not in text and "± 1.2" in text and "clips scored" not in text


def test_no_number_of_a_wide_table_is_cropped() -> None:
    """Eight numbers with their spreads need more than 80 columns: each spread is below."""
    columns = tuple(Column(f"0.{number}") for number in range(8))
    cells = tuple(Cell(0.875, 0.0125, runs=3) for _ in columns)
    table = ResultsTable("rates", columns, (Row("semanticmac+context", cells),), corner="model")
    console = Console(width=80, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(to_terminal(table))
    assert capture.get().count("87.5") == 8 and capture.get().count("± 1.2") == 8
    assert "…" not in capture.get()
