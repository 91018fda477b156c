"""The paper's own numbers (arXiv 2408.07694, tables III to IX), quoted as data: results of others, never ours."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "paper" / "results.csv"
ABLATION = Path(__file__).parent / "paper" / "ablation_mosei.csv"  # on MOSEI
PROBE = Path(__file__).parent / "paper" / "probe_mosei.csv"
FRAMES = Path(__file__).parent / "paper" / "frames_mosei.csv"
ARXIV = "arXiv 2408.07694"

# How the paper's tables call a metric of ours. Its Acc2 and F1 leave clips of truth 0 out.
PAPER_METRICS = {
    "Acc-2 (non-zero)": "acc2",
    "F1 (non-zero)": "f1",
    "Acc-2": "acc2",
    "F1": "f1",
    "Acc-3": "acc3",
    "Acc-5": "acc5",
    "Acc-7": "acc7",
    "MAE": "mae",
    "Corr": "corr",
    "Accuracy": "w-acc",
    "weighted F1": "w-f1",
    "weighted precision": "w-precision",
    "weighted recall": "w-recall",
    "mean n-Acc": "n-acc:average",
    "mean s-Acc": "s-acc:average",
    "mean F1": "b-f1:average",
}
# A class's F1 among classes that exclude each other is printed as b-f1 (utterance) or as w-f1
# (conversation).
PAPER_CLASS_METRICS = {
    "n-Acc": ("n-acc",),
    "s-Acc": ("s-acc",),
    "w-F1": ("w-f1",),
    "F1": ("b-f1", "w-f1"),
}
MULTI_LABEL_CLASS_METRICS = {
    **PAPER_CLASS_METRICS,
    "F1": ("b-f1",),
}  # where w-f1 weighs presence and absence


@dataclass(frozen=True)
class Quoted:
    """One number as the paper prints it: accuracies and F1 in percent, MAE and correlation as fractions."""

    table: str
    dataset: str
    setting: str  # utterance or conversation
    model: str
    metric: str
    printed: str
    note: str

    @property
    def value(self) -> float:
        return float(self.printed)


def load_quoted(path: Path = RESULTS) -> tuple[Quoted, ...]:
    """Every row of the file, in the paper's order.

    Raises ValueError for a row that is not marked as quoted.
    """
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            if row["origin"] != "quoted":
                raise ValueError(
                    f"{path.name}:{line} has origin {row['origin']!r}: only quoted results belong here"
                )
            columns = (
                row[name]
                for name in ("table", "dataset", "setting", "model", "metric", "value", "note")
            )
            rows.append(Quoted(*columns))
    return tuple(rows)


def quoted_columns(
    dataset: str, model: str = "SemanticMAC"
) -> dict[tuple[str, str], dict[str, Quoted]]:
    """The columns that a dataset's table quotes: (model or its variant, setting) → paper's metric → number."""
    columns: dict[tuple[str, str], dict[str, Quoted]] = {}
    for row in load_quoted():
        if row.dataset == dataset and row.model.startswith(model):
            columns.setdefault((row.model, row.setting), {})[row.metric] = row
    return columns


def quoted_ablation(path: Path = ABLATION) -> dict[str, dict[str, str]]:
    """The paper's ablation table: the setting that a row switches off → paper's metric → number as printed.

    Raises ValueError for a row that is not marked as quoted.
    """
    table: dict[str, dict[str, str]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            if row["origin"] != "quoted":
                raise ValueError(
                    f"{path.name}:{line} has origin {row['origin']!r}: only quoted results belong here"
                )
            table[row["setting"]] = {
                metric: row[metric] for metric in ("acc7", "acc2", "f1", "mae", "corr")
            }
    return table


def quoted_probe(path: Path = PROBE) -> list[tuple[str, str, str, float]]:
    """The paper's linear probes on MOSEI: (modality, feature, its metric, value as printed)."""
    rows = _quoted_rows(path)
    metrics = ("acc3", "acc2", "f1", "mae", "corr")
    return [
        (row["modality"], row["feature"], metric, float(row[metric]))
        for row in rows
        for metric in metrics
    ]


def quoted_frames(path: Path = FRAMES) -> list[tuple[str, str, float]]:
    """The paper's comparison of frame counts on MOSEI: (frames, its metric, value as printed)."""
    metrics = ("acc7", "acc2", "f1", "mae", "corr")
    return [
        (row["frames"], metric, float(row[metric]))
        for row in _quoted_rows(path)
        for metric in metrics
    ]


def _quoted_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for line, row in enumerate(rows, start=2):
        if row["origin"] != "quoted":
            raise ValueError(
                f"{path.name}:{line} has origin {row['origin']!r}: only quoted results belong here"
            )
    return rows


def counterpart(metric: str, column: dict[str, Quoted]) -> Quoted | None:
    """The number in one column that stands for our `metric`; None where the paper prints none."""
    if metric in PAPER_METRICS:
        return column.get(PAPER_METRICS[metric])
    of_class = re.fullmatch(r"(\S+) \((.+)\)", metric)
    if not of_class:
        return None
    for printed, row in column.items():
        kinds = MULTI_LABEL_CLASS_METRICS if row.dataset == "mosei-emotion" else PAPER_CLASS_METRICS
        kind, _, paper_class = printed.partition(":")
        # Three letters tell a corpus's classes apart: the paper writes happy and angry for
        # IEMOCAP's hap and ang.
        if kind in kinds.get(of_class[1], ()) and paper_class[:3] == of_class[2][:3]:
            return row
    return None
