"""MissingCurve: scores of one model against the rate at which its input is dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.batch import ClipInput, Corrupt
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import score_predictions, valid_pair
from semanticmac.eval.metrics.scores import Scores
from semanticmac.eval.missing.drop import Drop
from semanticmac.eval.missing.request import SUBSETS, MissingRequest, Protocol, TextDrop
from semanticmac.eval.missing.subsets import SubsetScores, score_subsets
from semanticmac.eval.missing.tokens import substitute_of
from semanticmac.run.folder import RunError
from semanticmac.run.metric import Metric, mean_and_std, values_by_name


@dataclass(frozen=True)
class MissingPoint:
    """The scores at one rate, or with one subset of the modalities."""

    name: str  # the rate as text, or the kept modalities
    rate: float | None  # None: of a subset
    dropped: float | None  # share of words and frames that was dropped, mean over clips and draws
    draws: tuple[dict[str, float | None], ...]  # metric → value, of each draw

    def values(self, metric: str) -> list[float | None]:
        return [draw[metric] for draw in self.draws]

    def mean(self, metric: str) -> float | None:
        return mean_and_std(self.values(metric))[0]


@dataclass(frozen=True)
class MissingCurve:
    """Scores of one model under one protocol."""

    protocol: Protocol
    text: TextDrop
    split: str
    seed: int
    draws: int
    main: str  # the metric that the model is judged by
    metrics: tuple[Metric, ...]  # names, units and directions; their values are those of no row
    constant: float | None  # the main metric of the best constant prediction
    points: tuple[MissingPoint, ...]

    def metric(self, name: str) -> Metric:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def answers(self, request: MissingRequest) -> bool:
        """True for a curve that this request makes."""
        draws = 1 if request.protocol == SUBSETS else request.draws
        expected = (request.protocol, request.text, request.seed, draws)
        return (self.protocol, self.text, self.seed, self.draws) == expected

    def areas(self, metric: str) -> list[float | None]:
        """The area under the curve of each draw, divided by the range of the rates.

        So the area is a mean score, in the unit of the metric. Of subsets: the mean over them.
        """
        areas: list[float | None] = []
        for draw in range(self.draws):
            values = []
            for point in self.points:
                # At rate 0 there is nothing to draw.
                values.append(point.draws[min(draw, len(point.draws) - 1)][metric])
            areas.append(_area([point.rate for point in self.points], values))
        return areas

    def as_dict(self) -> dict[str, Any]:
        content = asdict(self)
        for metric in content["metrics"]:
            del metric["value"]
        content["areas"] = {metric.name: self.areas(metric.name) for metric in self.metrics}
        return content

    def write(self, run: Path, weights: str = "") -> Path:
        """Writes missing-PROTOCOL-SPLIT.json into a run folder; weights: their SHA-256."""
        path = curve_path(run, self.protocol, self.split)
        content = {"weights": weights, **self.as_dict()}
        write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
        return path


def curve_path(run: Path, protocol: str, split: str) -> Path:
    return run / f"missing-{protocol}-{split}.json"


def read_curve(run: Path, protocol: str, split: str, weights: str = "") -> MissingCurve | None:
    """The curve in a run folder; None where the run has none.

    weights: their SHA-256; the curve of other weights counts as none. Empty: any. Raises RunError
    for a file that no curve wrote.
    """
    path = curve_path(run, protocol, split)
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if weights and content["weights"] != weights:
            return None
        return _parse(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path} is no curve of missing data ({type(error).__name__}: {error}): remove it; "
            "`semanticmac eval --missing` scores a run again"
        ) from None


def _parse(content: Mapping[str, Any]) -> MissingCurve:
    """The reverse of `as_dict`."""
    fields = dict(content)
    fields.pop("areas", None)
    fields.pop("weights", None)
    metrics = []
    for metric in content["metrics"]:
        keys = tuple(metric["paper_keys"])
        metrics.append(Metric(**{**metric, "value": None, "paper_keys": keys}))
    points = []
    for point in content["points"]:
        points.append(MissingPoint(**{**point, "draws": tuple(point["draws"])}))
    return MissingCurve(**{**fields, "metrics": tuple(metrics), "points": tuple(points)})


PredictFn = Callable[[Corrupt | None], Scores]


def score_missing(
    data: EvalData,
    split: str,
    request: MissingRequest,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MissingCurve:
    """Scores a model under one protocol.

    Thresholds, where a task has them, are chosen on complete validation clips; for a subset, on
    validation clips with the same subset. Raises RunError where the language model has no token for
    unknown words and `unk` is asked for.
    """
    if request.protocol == SUBSETS:
        return subsets_curve(score_subsets(data, split, progress), split, request)
    rows, valid = data.rows(split), valid_pair(data)

    def score(corrupt: Corrupt | None) -> Scores:
        predictions = data.predict(rows, corrupt=corrupt)
        return score_predictions(data, predictions, valid)

    substitute = substitute_of(data.trained.tokenize, request.text)
    return rate_curve(score, split, request, substitute, progress)


def rate_curve(
    score: PredictFn,
    split: str,
    request: MissingRequest,
    substitute: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MissingCurve:
    """The curve of a function that scores clips after a corruption."""
    assert request.protocol != "subsets"
    points = []
    first: Scores | None = None
    for number, rate in enumerate(request.rates):
        draws, shares = [], []
        for draw in range(request.draws if rate else 1):
            progress(number * request.draws + draw, len(request.rates) * request.draws)
            drop = _Measured(
                Drop(request.protocol, rate, request.seed, draw, substitute=substitute)
            )
            scores = score(drop)
            first = first or scores
            draws.append(values_by_name(scores.metrics))
            shares += drop.shares
        points.append(MissingPoint(f"{rate:.1f}", rate, float(np.mean(shares)), tuple(draws)))
    progress(len(request.rates) * request.draws, len(request.rates) * request.draws)
    assert first is not None
    return _curve(request, split, first, points)


class _Measured:
    """A Drop that remembers which share of each clip it dropped."""

    def __init__(self, drop: Drop) -> None:
        self.drop = drop
        self.shares: list[float] = []

    def __call__(self, clip_id: str, clip: ClipInput) -> ClipInput:
        changed, share = self.drop.apply(clip_id, clip)
        self.shares.append(share)
        return changed


def subsets_curve(
    subsets: Sequence[SubsetScores], split: str, request: MissingRequest
) -> MissingCurve:
    """Scores of modality subsets as a curve whose points have no rate."""
    points = []
    for subset in subsets:
        values = values_by_name(subset.scores.metrics)
        points.append(MissingPoint(" + ".join(subset.kept), None, None, (values,)))
    return _curve(replace(request, draws=1), split, subsets[0].scores, points)


def _curve(
    request: MissingRequest, split: str, scores: Scores, points: Sequence[MissingPoint]
) -> MissingCurve:
    main = scores[scores.main]
    constants = []
    for baseline in scores.baselines:
        for metric in baseline.metrics:
            if metric.name == main.name and metric.value is not None:
                constants.append(metric.value)
    choose = max if main.higher_is_better else min
    return MissingCurve(
        request.protocol,
        request.text,
        split,
        request.seed,
        request.draws,
        scores.main,
        tuple(replace(metric, value=None, note="", remark="") for metric in scores.metrics),
        choose(constants) if constants else None,
        tuple(points),
    )


def _area(rates: Sequence[float | None], values: Sequence[float | None]) -> float | None:
    """Trapezoids over the rates, divided by their range; without rates the mean."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return None
    known = [rate for rate in rates if rate is not None]
    if len(known) < len(values) or len(known) < 2:
        return float(np.mean(defined))
    return float(np.trapezoid(defined, known) / (known[-1] - known[0]))
