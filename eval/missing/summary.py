"""MissingSummary: the curves of several seeds of one model as means with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.eval.missing.curve import MissingCurve
from semanticmac.eval.missing.request import Protocol, TextDrop
from semanticmac.run.metric import mean_and_std

# Mean and sample standard deviation; None where a score is undefined or single.
MeanStd = tuple[float | None, float | None]


@dataclass(frozen=True)
class SummaryPoint:
    """The scores at one rate, or with one subset of the modalities."""

    name: str  # the rate as text, or the kept modalities
    rate: float | None
    dropped: float | None  # share of words and frames that was dropped
    values: dict[str, MeanStd]  # metric → mean and spread


@dataclass(frozen=True)
class MissingSummary:
    """Curves of one model under one protocol.

    The spread is that between runs, each of them the mean of its draws. That of a single run is
    the spread between its draws.
    """

    protocol: Protocol
    text: TextDrop
    split: str
    draws: int
    runs: int
    main: str
    constant: float | None  # the best constant prediction, mean over runs: folds differ in it
    points: tuple[SummaryPoint, ...]
    areas: dict[str, MeanStd]  # metric → area under the curve, divided by the range of the rates


def summarise(curves: Sequence[MissingCurve]) -> MissingSummary:
    """curves: one for each run, under the same protocol and with the same rates."""
    first = curves[0]
    points = []
    for number, point in enumerate(first.points):
        values = {}
        for metric in first.metrics:
            each = [curve.points[number].values(metric.name) for curve in curves]
            values[metric.name] = _mean_std(each)
        dropped = _mean([curve.points[number].dropped for curve in curves])
        points.append(SummaryPoint(point.name, point.rate, dropped, values))
    areas = {}
    for metric in first.metrics:
        areas[metric.name] = _mean_std([curve.areas(metric.name) for curve in curves])
    return MissingSummary(
        first.protocol,
        first.text,
        first.split,
        first.draws,
        len(curves),
        first.main,
        _mean([curve.constant for curve in curves]),
        tuple(points),
        areas,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean over runs; that of equal values is exactly this value."""
    if len(set(values)) == 1:
        return values[0]
    return mean_and_std(values)[0]


def _mean_std(runs: Sequence[Sequence[float | None]]) -> MeanStd:
    """runs: the values of the draws of each run."""
    if len(runs) == 1:
        return mean_and_std(runs[0])
    return mean_and_std([mean_and_std(draws)[0] for draws in runs])
