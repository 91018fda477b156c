"""Tables of a leaderboard: what each row shows, what failed, what papers print."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.leaderboards import board

from semanticmac.eval.leaderboard.tables import (
    cost_table,
    deviation_notes,
    failure_notes,
    headline_metrics,
    paper_table,
    score_table,
)
from semanticmac.eval.report.results_table import format_cell
from semanticmac.eval.report.write_csv import to_csv
from semanticmac.eval.report.write_latex import to_latex


def test_a_row_has_rank_spread_and_its_distance_from_the_best() -> None:
    table = score_table(board(), headline_metrics(board(), 2))
    texts = {row.name: [format_cell(cell) for cell in row.cells] for row in table.rows}
    assert texts["train median"] == ["", "0.900", "50.0", "", ""]
    assert texts["text"] == ["3", "0.925 ± 0.035", "61.0 ± 1.4", "+0.325", "<0.01*"]
    assert texts["mult"] == ["1", "0.600 ± 0.000", "81.0 ± 1.4", "best", ""]
    assert texts["misa"] == ["2", "0.700", "70.0", "+0.100", "0.40"]
    assert list(texts) == ["train median", "text", "mult", "misa"]


def test_a_row_that_is_as_good_as_the_best_shows_its_difference() -> None:
    rows = []
    for row in board().rows:
        against = None if row.against is None else replace(row.against, difference=0.0, p_holm=1.0)
        rows.append(replace(row, rank=row.rank and 1, against=against))
    table = score_table(replace(board(), rows=tuple(rows)), [])
    texts = {row.name: [format_cell(cell) for cell in row.cells] for row in table.rows}
    assert texts["mult"] == ["1", "best", ""] and texts["text"] == ["1", "0.000", "1.00"]


def test_failures_are_said() -> None:
    assert failure_notes(board()) == (
        "misa, seed 2 failed: the loss became nan",
        "misa: 1 of 4 trials failed",
    )


def test_deviations_are_named_with_their_models() -> None:
    rows = []
    for row in board().rows:
        notes = ("token i of n reads the frame at (i + ½)·F/n",) if row.name != "text" else ()
        streams = "vision=a" if row.name == "misa" else ""
        name = "misa · vision=a" if streams else row.name
        rows.append(replace(row, name=name, streams=streams, notes=(*notes, *row.notes)))
    changed = replace(board(), rows=tuple(rows[1:]), notes=("mult: no positions of padding",))
    note = "mult, misa: token i of n reads the frame at (i + ½)·F/n"
    assert deviation_notes(changed) == (note,)
    assert note in score_table(changed).caption
    assert r"(i + $\frac{1}{2}$)·F/n" in to_latex(score_table(changed))


def test_costs_and_papers() -> None:
    first = cost_table(board()).rows[0]
    assert [format_cell(cell) for cell in first.cells] == ["2.00", "1.00", "1.50", "3", "4", ""]
    papers = paper_table(board())
    assert papers is not None and [row.name for row in papers.rows] == ["mult"]
    assert "the papers score 686 test clips, here 5 are scored" in papers.notes


def test_the_latex_table_is_well_formed() -> None:
    latex = to_latex(score_table(board()))
    lines = latex.splitlines()
    columns = lines[lines.index(r"\toprule") - 1].count("r") - len([r"\begin{tabula", r"}"]) + 1
    body = [line for line in lines if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in body}) == 1 and columns > 0
    assert latex.count("{") == latex.count("}")
    assert r"\begin{table}" in latex and r"\end{table}" in latex


def test_the_csv_has_full_precision() -> None:
    text = to_csv(score_table(board()))
    assert "demo,test,text,,measured,MAE,2,0.925," in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_latex_table_compiles(tmp_path: Path) -> None:
    rows = [replace(row, notes=("reads the frame at (i + ½)·F/n",)) for row in board().rows]
    table = to_latex(score_table(replace(board(), rows=tuple(rows))))
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    page = f"{head}{table}\\end{{document}}"
    (tmp_path / "table.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout[-2000:]
    assert "Overfull" not in answer.stdout
