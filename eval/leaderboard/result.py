"""The result file of a leaderboard: what was compared, how, and every number."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.leaderboard.json_record import RecordError, read_record
from semanticmac.eval.missing.summary import MissingSummary
from semanticmac.run.metric import Metric, mean_and_std

SCHEMA = 1
FILE = "result.json"
SPLIT = "test"  # every row is scored on it
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

    def known_values(self, metric: str) -> list[float]:
        """The same without the seeds in which the metric is undefined."""
        return [value for value in self.values(metric) if value is not None]

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

    @property
    def ranked(self) -> list[ModelRow]:
        """The models that have a rank, the best first."""
        return sorted((row for row in self.rows if row.rank), key=lambda row: row.rank or 0)

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
            content: Any = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ResultError(f"{path} cannot be read: {error}") from None
        schema = content.pop("schema", None) if isinstance(content, dict) else None
        if schema != SCHEMA:
            raise ResultError(
                f"{path} has the schema {str(schema)[:40]}, this version reads {SCHEMA} "
                "(docs/leaderboard.md)"
            )
        try:
            for metric in content.get("metrics", ()):
                metric["value"] = None  # of no row
            board = read_record(cls, content)
            board._check()
        except (RecordError, TypeError) as error:
            raise ResultError(
                f"{path} is no result of a leaderboard: {error} (docs/leaderboard.md)"
            ) from None
        return board

    def _check(self) -> None:
        """Raises RecordError for parts that contradict each other."""
        names = [metric.name for metric in self.metrics]
        if self.main not in names:
            raise RecordError(f"main is {self.main!r}, and metrics has {', '.join(names)}")
        if SPLIT not in self.clips:
            raise RecordError(f"clips has no {SPLIT}")
        for number, row in enumerate(self.rows):
            where = f"rows[{number}] ({row.name})"
            if row.rank is not None and (row.rank < 1 or row.mean(self.main) is None):
                raise RecordError(f"{where} has the rank {row.rank} without {self.main}")
            for key, drawn in row.space.items():
                is_range = isinstance(drawn, dict) and {"low", "high"} <= drawn.keys()
                if not (isinstance(drawn, list) or is_range):
                    raise RecordError(f"{where}.space.{key}: expected a list, or low and high")
            for summary in row.missing:
                tables = [summary.areas, *(point.values for point in summary.points)]
                if not summary.points or any(self.main not in table for table in tables):
                    raise RecordError(f"{where}.missing: expected points with {self.main}")
