"""The results of benchmarks/planted_leaderboard.py, as a part of docs/evidence.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.fusion_runs import WORSE, WORTHS, gains, spread, verdict
from semanticmac.eval.leaderboard.result import Leaderboard, ModelRow

OURS = ("semanticmac", "semanticmac-tuned")


def section(folder: Path) -> list[str]:
    """The Markdown of all result files in the folder."""
    boards = {}
    for worth in WORTHS:
        path = folder / f"leaderboard-{worth}.json"
        if path.exists():
            boards[worth] = Leaderboard.read(path)
    if not boards:
        return []
    first = next(iter(boards.values()))
    return [
        "## Beside other fusions",
        "",
        "`python -m benchmarks.planted_leaderboard`: the models of `semanticmac leaderboard` on "
        "the corpora of `sentiment` with a",
        "corpus seed of their own. Each model has "
        f"{first.trials} random trials on validation, then {len(first.seeds)} seeds of weights and "
        "order on the",
        "same clips; nothing is chosen on test. `semanticmac` is the form of the paper. Each "
        "column is one drawn corpus, with few",
        "trials, so this shows an order and does not judge the models. The frames are read as they "
        "are cached; the section below",
        "has default settings and other scales. The result files are in benchmarks/results.",
        "",
        *_scores(boards),
        *_differences(boards),
    ]


def _scores(boards: Mapping[str, Leaderboard]) -> list[str]:
    lines = [
        "Test MAE, lower is better; the rank is in brackets.",
        "",
        f"| model | {' | '.join(boards)} |",
        f"| --- |{' --- |' * len(boards)}",
    ]
    names = dict.fromkeys(row.name for board in boards.values() for row in board.rows)
    for name in names:
        cells = []
        for board in boards.values():
            row = _row(board, name)
            rank = f" ({row.rank})" if row is not None and row.rank is not None else ""
            cells.append(spread(list(_column(row).values())) + rank)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _differences(boards: Mapping[str, Leaderboard]) -> list[str]:
    lines: list[str] = []
    for ours in OURS:
        lines += [
            f"Gain of `{ours}` over each other model, paired by seed; + is better. "
            f"{WORSE}: by more than the spread.",
            "",
            f"| against | {' | '.join(boards)} |",
            f"| --- |{' --- |' * len(boards)}",
        ]
        for name in _learned(boards):
            if name == ours:
                continue
            cells = []
            for board in boards.values():
                values = gains(_column(_row(board, ours)), _column(_row(board, name)), -1)
                worse = f" {WORSE}" if verdict(values) == WORSE else ""
                cells.append(spread(values, signed=True) + worse)
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return [*lines, *_significance(boards)]


def _learned(boards: Mapping[str, Leaderboard]) -> list[str]:
    """The names of all models, without the constants."""
    names: dict[str, None] = {}
    for board in boards.values():
        for row in board.rows:
            if row.kind != "constant":
                names[row.name] = None
    return list(names)


def _significance(boards: Mapping[str, Leaderboard]) -> list[str]:
    """Which rows are significantly worse than the best one, by the paired bootstrap after Holm."""
    lines = []
    for worth, board in boards.items():
        best, worse = "", []
        for row in board.rows:
            if row.rank == 1:
                best = row.name
            if row.against is not None and row.against.p_holm < 0.05:
                worse.append(row.name)
        lines.append(
            f"- *{worth}*: {best} is best. Significantly worse at 0.05 after Holm, over the "
            f"{board.clips['test']} test clips: {', '.join(worse) or 'none'}."
        )
    return [*lines, ""]


def _row(board: Leaderboard, name: str) -> ModelRow | None:
    for row in board.rows:
        if row.name == name:
            return row
    return None


def _column(row: ModelRow | None) -> dict[int, float]:
    """Seed → test MAE."""
    column: dict[int, float] = {}
    if row is None:
        return column
    for result in row.seeds:
        value = result.metrics.get("MAE")
        if value is not None:
            column[result.seed] = value
    return column
