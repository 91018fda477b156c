"""docs/leaderboard.md: a page in Markdown, written from result files."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.eval.leaderboard.missing import missing_tables
from semanticmac.eval.leaderboard.page import about, space_text, summary
from semanticmac.eval.leaderboard.result import SPLIT, Leaderboard
from semanticmac.eval.leaderboard.tables import (
    cost_table,
    failure_notes,
    headline_metrics,
    paper_table,
    reading_notes,
    score_table,
)
from semanticmac.eval.report.results_table import ResultsTable, format_cell
from semanticmac.eval.report.template import TEMPLATES

TABLE_METRICS = 5
HEAD = TEMPLATES / "leaderboard.md"  # how to use the command and to read its tables


def to_markdown(boards: Sequence[Leaderboard]) -> str:
    """The whole page; one section for each result, in their order."""
    sections = [HEAD.read_text(encoding="utf-8").rstrip("\n")]
    sections += [_section(board) for board in boards]
    return "\n\n".join(sections) + "\n"


def _section(board: Leaderboard) -> str:
    seeds = ", ".join(map(str, board.seeds))
    clips = ", ".join(f"{count} {split}" for split, count in board.clips.items())
    facts = (
        f"Clips: {clips}. Embeddings: {'; '.join(board.embeddings.values())}. Seeds: {seeds}. "
        f"Trials of each model: {board.trials}. Machine: {board.device}."
    )
    parts = [
        f"## {escaped(board.dataset)}",
        escaped(" ".join(summary(board))),
        escaped(facts),
        _table(score_table(board, headline_metrics(board, TABLE_METRICS))),
        _sentence(reading_notes(board)),
    ]
    failures = failure_notes(board)
    if failures:
        parts.append(_sentence(failures))
    for table in missing_tables(board):
        title = table.title.removeprefix(f"{board.dataset} · {SPLIT} · ")
        parts += [f"### {title}", _table(table), _sentence(table.notes)]
    parts += ["### Cost", _table(cost_table(board))]
    papers = paper_table(board)
    if papers is not None:
        parts += ["### What papers print", _table(papers), _sentence(papers.notes)]
    parts.append("### Settings of the best trials")
    parts.append("\n".join(_model_line(board)))
    shared = ", ".join(f"{key} = {value}" for key, value in board.shared.items() if value != "")
    parts.append(escaped(f"Settings of all models: {shared}."))
    return "\n\n".join(parts)


def _model_line(board: Leaderboard) -> list[str]:
    lines = []
    for row in board.rows:
        if row.kind != "constant":
            about_row, space = escaped(about(row)), escaped(space_text(row))
            lines.append(f"- **{escaped(row.name)}**: {about_row}. Trials: {space}.")
    return lines


def _table(results: ResultsTable) -> str:
    head = [results.corner, *(column.header for column in results.columns)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in results.rows:
        name = escaped(row.name)
        cells = [escaped(format_cell(cell)) for cell in row.cells]
        lines.append(_line([f"**{name}**" if row.style == "strong" else name, *cells]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sentence(notes: Sequence[str]) -> str:
    return escaped("; ".join(notes)) + "."


def escaped(text: str) -> str:
    """Text of a result file on one line, without HTML, links and emphasis of its own."""
    for character in "\\*[`":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split()).replace("<", "&lt;")
