"""Numbers of the paper (arXiv 2408.07694, tables III to IX), quoted as data."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from semanticmac.run.metric import Metric, paper_key

RESULTS = Path(__file__).parent / "paper" / "results.csv"
ABLATION = Path(__file__).parent / "paper" / "ablation_mosei.csv"  # on MOSEI
PROBE = Path(__file__).parent / "paper" / "probe_mosei.csv"
FRAMES = Path(__file__).parent / "paper" / "frames_mosei.csv"
CLIPS = Path(__file__).parent / "paper" / "clips.csv"  # labelled clips of each split
ARXIV = "arXiv 2408.07694"
QUOTED_NOTE = f"quoted: as printed in the paper ({ARXIV}), not measured here"


@dataclass(frozen=True)
class Quoted:
    """One number as printed: accuracies and F1 in percent, MAE and correlation as fractions."""

    table: str
    dataset: str
    setting: str  # utterance or conversation
    model: str
    metric: str  # as acc7, or b-f1:happy for one class
    printed: str
    note: str

    @property
    def value(self) -> float:
        return float(self.printed)

    @property
    def key(self) -> str:
        """The key by which metrics name their counterpart in the paper."""
        metric, _, class_name = self.metric.partition(":")
        return paper_key(metric, class_name)


def load_quoted(path: Path = RESULTS) -> tuple[Quoted, ...]:
    """All rows, in the paper's order; raises ValueError for a row not marked as quoted."""
    fields = itemgetter("table", "dataset", "setting", "model", "metric", "value", "note")
    numbers = []
    for row in _quoted_rows(path):
        numbers.append(Quoted(*fields(row)))
    return tuple(numbers)


def quoted_columns(
    dataset: str, model: str = "SemanticMAC"
) -> dict[tuple[str, str], dict[str, Quoted]]:
    """(model, setting) → key of the metric → number, of models that begin with `model`."""
    columns: dict[tuple[str, str], dict[str, Quoted]] = {}
    for row in load_quoted():
        if row.dataset == dataset and row.model.startswith(model):
            columns.setdefault((row.model, row.setting), {})[row.key] = row
    return columns


def counterpart(metric: Metric, column: dict[str, Quoted]) -> Quoted | None:
    """The number in one column that stands for our metric; None where the paper prints none."""
    for key in metric.paper_keys:
        if key in column:
            return column[key]
    return None


def quoted_ablation(path: Path = ABLATION) -> dict[str, dict[str, str]]:
    """The ablation table: setting that is switched off → key of a metric → number as printed."""
    table = {}
    for row in _quoted_rows(path):
        printed = {}
        for metric in ("acc7", "acc2", "f1", "mae", "corr"):
            printed[metric] = row[metric]
        table[row["setting"]] = printed
    return table


def quoted_probe() -> list[tuple[str, str, str, float]]:
    """The linear probes on MOSEI: (modality, feature, key of a metric, value as printed)."""
    numbers = []
    for row in _quoted_rows(PROBE):
        for metric in ("acc3", "acc2", "f1", "mae", "corr"):
            numbers.append((row["modality"], row["feature"], metric, float(row[metric])))
    return numbers


def quoted_frames() -> list[tuple[str, str, float]]:
    """The comparison of frame counts on MOSEI: (frames, key of a metric, value as printed)."""
    numbers = []
    for row in _quoted_rows(FRAMES):
        for metric in ("acc7", "acc2", "f1", "mae", "corr"):
            numbers.append((row["frames"], metric, float(row[metric])))
    return numbers


def quoted_clips(dataset: str, split: str) -> int | None:
    """The paper's number of labelled clips in a split; None for a dataset outside the paper."""
    for row in _quoted_rows(CLIPS):
        if row["dataset"] == dataset:
            return int(row[split])
    return None


def _quoted_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for line, row in enumerate(rows, start=2):
        if row["origin"] != "quoted":
            raise ValueError(
                f"{path.name}:{line} has origin {row['origin']!r}: only quoted results belong here"
            )
    return rows
