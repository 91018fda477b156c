"""Missing data in a leaderboard: the models that have a curve, by protocol."""

from __future__ import annotations

from pathlib import Path

from semanticmac.eval.leaderboard.result import Leaderboard
from semanticmac.eval.missing.request import PROTOCOLS
from semanticmac.eval.missing.tables import NamedSummary, models_table
from semanticmac.eval.missing.write import remove_missing, write_missing
from semanticmac.eval.report.results_table import ResultsTable

TERMINAL_RATES = ("0.0", "0.3", "0.5", "0.7", "0.9")


def curves_by_protocol(board: Leaderboard) -> list[list[NamedSummary]]:
    """For each protocol that was scored, its models by rank."""
    ranked = sorted(board.rows, key=lambda row: row.rank or len(board.rows))
    by_protocol = []
    for protocol in PROTOCOLS:
        models = []
        for row in ranked:
            for summary in row.missing:
                if summary.protocol == protocol:
                    models.append(NamedSummary(row.name, summary))
        if models:
            by_protocol.append(models)
    return by_protocol


def missing_tables(board: Leaderboard, rates: tuple[str, ...] | None = None) -> list[ResultsTable]:
    """A table for each protocol: the main metric of each model at each rate, and the area.

    rates: those that are shown; None = all. Subsets are all shown.
    """
    metric = board.metric(board.main)
    tables = []
    for models in curves_by_protocol(board):
        is_scale = models[0].summary.points[0].rate is not None
        shown = rates if is_scale else None
        tables.append(models_table(board.dataset, models, metric, shown))
    return tables


def write_curves(board: Leaderboard, folder: Path) -> tuple[list[Path], list[str]]:
    """missing-PROTOCOL.csv, .png and .svg of every protocol → paths, and notes.

    Those of a protocol without a curve are removed: they are of an earlier result.
    """
    written: list[Path] = []
    notes: list[str] = []
    by_protocol = curves_by_protocol(board)
    scored = {models[0].summary.protocol for models in by_protocol}
    for protocol in PROTOCOLS:
        if protocol not in scored:
            removed = remove_missing(folder, f"missing-{protocol}")
            notes += [f"removed {path}: this result has no such curve" for path in removed]
    for models in by_protocol:
        name = f"missing-{models[0].summary.protocol}"
        paths, note = write_missing(models, board.metric(board.main), folder, name)
        written += paths
        if note and note not in notes:
            notes.append(note)
    return written, notes
