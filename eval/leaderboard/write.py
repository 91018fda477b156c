"""Writes a leaderboard: result.json, leaderboard.csv, .tex, .html and curves of missing data."""

from __future__ import annotations

from pathlib import Path

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.leaderboard.missing import write_curves
from semanticmac.eval.leaderboard.page import leaderboard_html
from semanticmac.eval.leaderboard.result import FILE, Leaderboard
from semanticmac.eval.leaderboard.tables import headline_metrics, score_table
from semanticmac.eval.report.write_csv import to_csv
from semanticmac.eval.report.write_latex import to_latex

PAGE = "leaderboard.html"
LATEX_METRICS = 5  # columns of metrics that fit a page


def write_leaderboard(board: Leaderboard, folder: Path) -> tuple[list[Path], list[str]]:
    """All four files, and those of missing data where it was scored → their paths, and notes.

    Without the libraries of a page there is none, and a note says so: the result is not lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    board.write(folder / FILE)
    latex = score_table(board, headline_metrics(board, LATEX_METRICS))
    contents = {"leaderboard.csv": to_csv(score_table(board)), "leaderboard.tex": to_latex(latex)}
    notes: list[str] = []
    try:
        contents[PAGE] = leaderboard_html(board)
    except ImportError as error:
        (folder / PAGE).unlink(missing_ok=True)  # It would show an earlier result.
        notes.append(f"{PAGE} is not written: {error}")
    written = [folder / FILE]
    for name, text in contents.items():
        write_text(folder / name, text)
        written.append(folder / name)
    curves, curve_notes = write_curves(board, folder)
    return written + curves, notes + curve_notes
