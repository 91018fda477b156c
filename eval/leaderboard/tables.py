"""A Leaderboard as ResultsTables: scores, costs, search spaces, numbers of papers."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.core import counted
from semanticmac.eval.leaderboard.result import SPLIT, Against, Leaderboard, ModelRow
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    metric_cell,
    narrow_columns,
    text_cell,
)
from semanticmac.run.metric import Metric, digits_of

LEVEL = 0.05  # a corrected p below it has a star
_MEBI = 1024**2
CONTEXT = Column("context")
CONTEXT_NOTE = (
    "context: the other utterances of the dialogue that a model reads; most published figures of "
    "models of dialogues read the utterances after the target too"
)


def score_table(board: Leaderboard, metrics: Sequence[Metric] | None = None) -> ResultsTable:
    """One row for each model: its metrics over seeds, its rank, and its distance from the best.

    metrics: those that are shown; None = all.
    """
    shown = list(board.metrics if metrics is None else metrics)
    headers = [metric.name for metric in shown]
    narrow_main = board.main.replace(" ", "\n", 1)
    columns = (
        Column("rank"),
        *([CONTEXT] if reads_context(board) else []),
        *narrow_columns(headers),
        Column(f"{board.main} − best", f"{narrow_main}\n− best"),
        Column("p (Holm)", "p\n(Holm)"),
    )
    rows = []
    for row in board.rows:
        rows.append(_score_row(board, row, shown))
    caption = (f"{board.dataset}, {SPLIT} split", *reading_notes(board), *deviation_notes(board))
    return ResultsTable(
        f"{board.dataset} · {SPLIT} · leaderboard",
        columns,
        tuple(rows),
        corner="model",
        warnings=failure_notes(board),
        notes=reading_notes(board),
        caption=". ".join(caption) + ".",
        dataset=board.dataset,
        split=SPLIT,
    )


def reads_context(board: Leaderboard) -> bool:
    """Whether a model of the table reads other utterances of the dialogue."""
    return any(row.context for row in board.rows)


def headline_metrics(board: Leaderboard, limit: int) -> list[Metric]:
    """The main metric, then others of the whole split, at most `limit` of them."""
    chosen = [board.metric(board.main)]
    for metric in board.metrics:
        if metric.headline and metric.name != board.main:
            chosen.append(metric)
    return chosen[:limit]


def _score_row(board: Leaderboard, row: ModelRow, metrics: Sequence[Metric]) -> Row:
    cells: list[Cell | None] = [None if row.rank is None else text_cell(row.rank)]
    if reads_context(board):
        cells.append(None if row.kind == "constant" else text_cell(row.context or "none"))
    for metric in metrics:
        values = row.values(metric.name)
        if not values:
            cells.append(Cell(text="failed", style="bad") if metric.name == board.main else None)
        elif row.kind == "constant":
            cells.append(Cell(values[0], unit=metric.unit, digits=digits_of(metric.unit)))
        else:
            cells.append(metric_cell(values, metric))
    cells += _against_cells(board, row)
    return Row(
        row.name,
        tuple(cells),
        "constant" if row.kind == "constant" else "measured",
        style="strong" if row.rank == 1 else "",
    )


def _against_cells(board: Leaderboard, row: ModelRow) -> list[Cell | None]:
    if row.against is None:
        return [text_cell("best") if row.rank == 1 else None, None]
    unit = board.metric(board.main).unit
    difference = Cell(row.against.difference, unit=unit, digits=digits_of(unit), signed=True)
    return [difference, text_cell(p_text(row.against))]


def p_text(against: Against) -> str:
    """The corrected p; a star marks one below LEVEL."""
    p = against.p_holm
    star = "*" if p < LEVEL else ""
    return f"<0.01{star}" if p < 0.01 else f"{p:.2f}{star}"


def cost_table(board: Leaderboard) -> ResultsTable:
    """Parameters, seconds an epoch and peak memory of every trained model."""
    columns = (
        Column("parameters, million", "parameters\nmillion"),
        Column("trained, million", "trained\nmillion"),
        Column("seconds an epoch", "seconds\nan epoch"),
        Column("peak memory, MiB", "peak\nMiB"),
        Column("trials"),
        Column("failed"),
    )
    rows = []
    for row in board.rows:
        if row.kind == "constant":
            continue
        cost = row.cost
        cells = (
            _count(cost.parameters, 1e6, 2),
            _count(cost.trained_parameters, 1e6, 2),
            _count(cost.seconds_per_epoch, 1.0, 2),
            _count(cost.peak_memory_bytes, _MEBI, 0),
            text_cell(row.trials),
            text_cell(row.failed_trials or ""),
        )
        rows.append(Row(row.name, cells, "measured"))
    return ResultsTable("cost", columns, tuple(rows), corner="model", dataset=board.dataset)


def paper_table(board: Leaderboard) -> ResultsTable | None:
    """What papers print for these models on this corpus; None if nothing is quoted."""
    metrics = []
    for metric in board.metrics:
        for row in board.rows:
            if any(quote.metric in metric.paper_keys for quote in row.quotes):
                metrics.append(metric)
                break
    rows = []
    for row in board.rows:
        for source in dict.fromkeys(quote.source for quote in row.quotes):
            printed = {}
            for quote in row.quotes:
                if quote.source == source:
                    printed[quote.metric] = quote.printed
            cells = []
            for metric in metrics:
                numbers = [printed[key] for key in metric.paper_keys if key in printed]
                cells.append(text_cell(numbers[0] if numbers else ""))
            rows.append(Row(row.name, (*cells, text_cell(source)), "quoted"))
    if not rows:
        return None
    columns = (*narrow_columns([metric.name for metric in metrics]), Column("source", left=True))
    notes = ["as printed, not measured here"]
    clips = board.clips[SPLIT]
    if board.paper_clips is not None and board.paper_clips != clips:
        notes.append(f"the papers score {board.paper_clips} test clips, here {clips} are scored")
    return ResultsTable("papers", columns, tuple(rows), corner="model", notes=tuple(notes))


def reading_notes(board: Leaderboard) -> tuple[str, ...]:
    """How the numbers were made, one sentence each, without a full stop."""
    notes = [
        f"mean ± sample standard deviation over {counted(len(board.seeds), 'seed')}",
        "epochs and trials are chosen on validation, nothing on test",
    ]
    if board.trials:
        trials = counted(board.trials, "random trial")
        notes.append(f"{trials} for each model, from its own search space")
    else:
        notes.append("no trials: each model has its own default settings")
    notes.append(
        f"p: paired bootstrap of {board.main} over {board.clips[SPLIT]} test clips against the "
        "best row, means over seeds, corrected after Holm; * below 0.05"
    )
    notes.append("the variation between seeds is in ±, not in p")
    if reads_context(board):
        notes.append(CONTEXT_NOTE)
    return (*notes, *board.notes)


def deviation_notes(board: Leaderboard) -> tuple[str, ...]:
    """What differs from the originals, each deviation with the models that have it."""
    models: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for note in row.notes:
            if f"{row.name}: {note}" not in board.notes:
                name = row.name.removesuffix(f" · {row.streams}")
                models.setdefault(note, {})[name] = None
    return tuple(f"{', '.join(names)}: {note}" for note, names in models.items())


def failure_notes(board: Leaderboard) -> tuple[str, ...]:
    """The seeds that failed, with their reasons, and models with failed trials."""
    notes = []
    for row in board.rows:
        for seed in row.seeds:
            if seed.failure is not None:
                notes.append(f"{row.name}, seed {seed.seed} failed: {seed.failure}")
        if row.failed_trials:
            notes.append(f"{row.name}: {row.failed_trials} of {board.trials} trials failed")
    return tuple(notes)


def _count(value: float | None, unit: float, digits: int) -> Cell:
    if value is None:
        return Cell(missing="–")
    return Cell(value / unit, unit="number", digits=digits)
