"""A small leaderboard record, made by hand."""

from __future__ import annotations

from dataclasses import replace

from semanticmac.eval.leaderboard.result import (
    Against,
    Cost,
    Leaderboard,
    ModelRow,
    Quote,
    SeedResult,
)
from semanticmac.eval.missing.summary import MissingSummary, SummaryPoint
from semanticmac.run.metric import Metric

MAE = Metric("MAE", None, higher_is_better=False, unit="number", paper_keys=("mae",))
ACC = Metric("Acc-2 (non-zero)", None, zero_rule="non-zero", paper_keys=("acc2",))


def seeds(*values: tuple[float, float]) -> tuple[SeedResult, ...]:
    made = []
    for number, (mae, accuracy) in enumerate(values, 1):
        metrics = {MAE.name: mae, ACC.name: accuracy}
        made.append(SeedResult(number, 3, 0.5, metrics))
    return tuple(made)


def board() -> Leaderboard:
    """A constant, text alone, a better model, and one whose second seed failed."""
    failed = (*seeds((0.7, 0.7)), SeedResult(2, failure="the loss became nan"))
    rows = (
        ModelRow("train median", "constant", seeds=seeds((0.9, 0.5))),
        ModelRow(
            "text",
            "trained",
            "text <alone>",
            settings={"dropout": 0.25},
            space={"dropout": {"low": 0.0, "high": 0.5}},
            trials=4,
            seeds=seeds((0.95, 0.6), (0.9, 0.62)),
            cost=Cost(2_000_000, 1_000_000, 1.5, 3 * 1024**2),
            rank=3,
            against=Against("mult", 0.325, 0.2, 0.4, 0.002, 0.004),
        ),
        ModelRow(
            "mult",
            "trained",
            "MulT",
            "Tsai et al., ACL 2019",
            space={"heads": [5, 10]},
            settings={"heads": 5},
            trials=4,
            seeds=seeds((0.6, 0.8), (0.6, 0.82)),
            rank=1,
            quotes=(Quote("mae", "0.871", "MulT, utterance, arXiv 2408.07694"),),
            notes=("no positions of padding",),
        ),
        ModelRow(
            "misa",
            "trained",
            "MISA",
            trials=3,
            failed_trials=1,
            seeds=failed,
            rank=2,
            against=Against("mult", 0.1, -0.1, 0.2, 0.4, 0.4),
        ),
    )
    return Leaderboard(
        "demo",
        "demo",
        "regression",
        "MAE",
        (ACC, MAE),
        {"train": 10, "valid": 4, "test": 5},
        686,
        {"": "ab" * 32},
        {"": "imagebind-tiny"},
        4,
        (1, 2),
        {"epochs": 8, "freeze_language": True},
        "a processor, 1 thread",
        {"semanticmac": "0.1"},
        rows,
    )


def curve(*values: float) -> MissingSummary:
    """Two rates under the protocol `same`, two seeds."""
    points = []
    for rate, value in zip((0.0, 0.9), values, strict=True):
        metrics = {MAE.name: (value, 0.01), ACC.name: (0.5, None)}
        points.append(SummaryPoint(f"{rate:.1f}", rate, rate, metrics))
    areas = {MAE.name: (sum(values) / 2, 0.02), ACC.name: (0.5, None)}
    return MissingSummary("same", "absent", "test", 5, 2, MAE.name, 0.9, tuple(points), areas)


def board_with_curves() -> Leaderboard:
    """The same leaderboard with missing data for two of its models."""
    rows = []
    curves = {"text": (curve(0.9, 1.1),), "mult": (curve(0.6, 0.8),)}
    for row in board().rows:
        rows.append(replace(row, missing=curves.get(row.name, ())))
    return replace(board(), rows=tuple(rows))
