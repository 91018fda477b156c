"""The result file of a leaderboard: what was compared, how, and every number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.missing.summary import MissingSummary, parse_summary
from semanticmac.run.metric import Metric, mean_and_std

SCHEMA = 1
FILE = "result.json"
# constant: the same prediction for every clip; trained: by the training loop; fitted: without it.
RowKind = Literal["constant", "trained", "fitted"]


class ResultError(Exception):
    """A result file that cannot be read; the message says why."""


@dataclass(frozen=True)
class SeedResult:
    """One seed of one model, or why it failed."""

    seed: int
    best_epoch: int | None = None
    valid_score: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)  # on test; None: undefined
    failure: str | None = None


@dataclass(frozen=True)
class Cost:
    """What one training takes on the machine of the result. None: not measured."""

    parameters: int | None = None
    trained_parameters: int | None = None  # without frozen ones
    seconds_per_epoch: float | None = None  # median over epochs, validation included
    peak_memory_bytes: int | None = None  # of the process on a CPU, of the device on a GPU


@dataclass(frozen=True)
class Against:
    """The main metric of a row minus that of the best row, on the same resampled clips."""

    best: str  # name of the best row
    difference: float
    low: float | None  # 95 % interval
    high: float | None
    p: float  # two-sided, paired bootstrap over clips
    p_holm: float  # corrected for the number of rows that are compared


@dataclass(frozen=True)
class Quote:
    """One number that a paper prints for the same model."""

    metric: str
    printed: str
    source: str


@dataclass(frozen=True)
class ModelRow:
    """One row of the leaderboard."""

    name: str
    kind: RowKind
    summary: str = ""
    reference: str = ""
    streams: str = ""  # changed settings of the streams, as given; empty: those of the cache
    settings: dict[str, Any] = field(default_factory=dict)  # of the seeds
    space: dict[str, Any] = field(default_factory=dict)  # what the trials drew from
    trials: int = 0  # finished trials
    failed_trials: int = 0
    seeds: tuple[SeedResult, ...] = ()
    cost: Cost = Cost()
    rank: int | None = None
    against: Against | None = None
    quotes: tuple[Quote, ...] = ()
    context: str = ""  # other utterances of the dialogue that it reads; empty: none
    notes: tuple[str, ...] = ()
    # scores against the rate of missing data, one entry for each protocol
    missing: tuple[MissingSummary, ...] = ()

    def values(self, metric: str) -> list[float | None]:
        """The metric of each seed that did not fail."""
        return [seed.metrics.get(metric) for seed in self.seeds if seed.failure is None]

    def mean(self, metric: str) -> float | None:
        values = self.values(metric)
        return mean_and_std(values)[0] if values else None


@dataclass(frozen=True)
class Leaderboard:
    """Everything that the table, the page and the file show."""

    dataset: str
    corpus: str
    task: str  # kind
    main: str  # the metric that ranks
    metrics: tuple[Metric, ...]  # name, unit and direction; their values are those of no row
    clips: dict[str, int]  # labelled clips of each split
    paper_clips: int | None  # of the test split in the papers that are quoted
    # choice of streams (empty: the default) → TrainData.digest of train and validation clips
    data: dict[str, str]
    embeddings: dict[str, str]  # choice of streams → its encoders
    trials: int  # asked for, of each model
    seeds: tuple[int, ...]
    shared: dict[str, Any]  # settings that are the same for all models
    device: str
    versions: dict[str, str]
    rows: tuple[ModelRow, ...]
    notes: tuple[str, ...] = ()

    def metric(self, name: str) -> Metric:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def write(self, path: Path) -> None:
        """Writes the result file."""
        content = {"schema": SCHEMA, **asdict(self)}
        for metric in content["metrics"]:
            del metric["value"]
        write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Leaderboard:
        """Raises ResultError for a file that is missing, damaged, or of another schema."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ResultError(f"{path} cannot be read: {error}") from None
        schema = content.pop("schema", None) if isinstance(content, dict) else None
        if schema != SCHEMA:
            raise ResultError(
                f"{path} has the schema {schema}, this version reads {SCHEMA} (docs/leaderboard.md)"
            )
        try:
            return cls._parse(content)
        except (TypeError, KeyError, AttributeError) as error:
            raise ResultError(
                f"{path} is no result of a leaderboard: {error} (docs/leaderboard.md)"
            ) from None

    @classmethod
    def _parse(cls, content: dict[str, Any]) -> Leaderboard:
        metrics = []
        for metric in content["metrics"]:
            keys = tuple(metric["paper_keys"])
            metrics.append(Metric(**{**metric, "value": None, "paper_keys": keys}))
        rows = tuple(_row(row) for row in content["rows"])
        return cls(
            **{
                **content,
                "metrics": tuple(metrics),
                "rows": rows,
                "seeds": tuple(content["seeds"]),
                "notes": tuple(content["notes"]),
            }
        )


def _row(content: Mapping[str, Any]) -> ModelRow:
    against = content["against"]
    return ModelRow(
        **{
            **content,
            "seeds": tuple(SeedResult(**seed) for seed in content["seeds"]),
            "cost": Cost(**content["cost"]),
            "against": None if against is None else Against(**against),
            "quotes": tuple(Quote(**quote) for quote in content["quotes"]),
            "notes": tuple(content["notes"]),
            "missing": tuple(parse_summary(part) for part in content.get("missing", ())),
        }
    )
