"""Missing data in a leaderboard: tables, page, files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from support.leaderboards import board, board_with_curves

from semanticmac.eval.leaderboard.markdown import to_markdown
from semanticmac.eval.leaderboard.missing import curves_by_protocol, missing_tables
from semanticmac.eval.leaderboard.page import leaderboard_html
from semanticmac.eval.leaderboard.result import Leaderboard
from semanticmac.eval.leaderboard.write import write_leaderboard
from semanticmac.eval.report.results_table import format_cell


def test_models_stand_by_rank_with_their_area() -> None:
    [models] = curves_by_protocol(board_with_curves())
    assert [model.name for model in models] == ["mult", "text"]
    [table] = missing_tables(board_with_curves(), ("0.9",))
    assert [column.header for column in table.columns] == ["0.9", "area"]
    cells = [format_cell(cell) for cell in table.rows[0].cells]
    assert cells == ["0.800 ± 0.010", "0.700 ± 0.020"]
    assert "± is the spread between 2 runs, not between draws" in table.notes


def test_a_leaderboard_without_curves_has_no_section(tmp_path: Path) -> None:
    assert missing_tables(board()) == []
    assert "Missing data" not in leaderboard_html(board())


def test_the_pages_have_table_and_picture() -> None:
    page = leaderboard_html(board_with_curves())
    assert "Missing data: words and frames" in page and "data:image/svg+xml" in page
    text = to_markdown([board_with_curves()])
    assert "| mult | 0.600 ± 0.010 | 0.800 ± 0.010 | 0.700 ± 0.020 |" in text


def test_files_and_the_result_have_every_metric(tmp_path: Path) -> None:
    written, notes = write_leaderboard(board_with_curves(), tmp_path)
    names = [path.name for path in written]
    assert notes == []
    assert names[4:] == ["missing-same.png", "missing-same.svg", "missing-same.csv"]
    assert Leaderboard.read(tmp_path / "result.json") == board_with_curves()
    with (tmp_path / "missing-same.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == {"MAE", "Acc-2 (non-zero)"}
    assert [row["point"] for row in rows if row["metric"] == "MAE"] == ["0.0", "0.9", "area"] * 2


def test_curves_of_an_earlier_result_are_removed(tmp_path: Path) -> None:
    write_leaderboard(board_with_curves(), tmp_path)
    _, notes = write_leaderboard(board(), tmp_path)
    assert not list(tmp_path.glob("missing-*")) and len(notes) == 3
    assert notes[0] == f"removed {tmp_path}/missing-same.csv: this result has no such curve"


def test_a_result_file_from_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    board().write(path)
    content = json.loads(path.read_text())
    for row in content["rows"]:
        del row["missing"]
    path.write_text(json.dumps(content))
    assert Leaderboard.read(path) == board()
