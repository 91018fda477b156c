"""The runs of benchmarks/fusion.py, paired by seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

PAPER, TUNED, TEXT_ONLY = "paper", "tuned", "text only"
WORTHS = ("honest", "weak", "noise", "shortcut")
DEMO = "demo"
WORSE = "**worse**"

Run = Mapping[str, Any]  # a line of benchmarks/results/fusion.jsonl
Column = Mapping[int, float]  # seed → score


@dataclass(frozen=True)
class Runs:
    """All measured runs."""

    runs: Sequence[Run]

    def column(
        self, text: str, worth: str, row: str, split: str = "test", head: str = "multimodal"
    ) -> Column:
        """Seed → score of one head. Text alone does not depend on the worth of the others."""
        if row == TEXT_ONLY and text != DEMO:
            worth = "noise"
        scores = {}
        for run in self.runs:
            if (run["text"], run["worth"], run["row"]) == (text, worth, row):
                scores[run["seed"]] = run[split][head]
        return scores

    def metric(self, text: str) -> str:
        for run in self.runs:
            if run["text"] == text:
                return str(run["metric"])
        return ""

    def sign(self, text: str) -> int:
        """1 where a higher score is better."""
        return 1 if self.metric(text) == "weighted F1" else -1

    def jumps(self, text: str, worth: str, row: str) -> list[float]:
        """For each run: mean change of the validation score between epochs, from epoch 3 on."""
        means = []
        for run in self.runs:
            if (run["text"], run["worth"], run["row"]) == (text, worth, row):
                scores = run["epochs"][2:]
                changes = [abs(b - a) for a, b in pairwise(scores)]
                means.append(statistics.mean(changes))
        return means


def gains(first: Column, second: Column, sign: int) -> list[float]:
    """By how much the first is better than the second, seed by seed."""
    return [sign * (first[seed] - second[seed]) for seed in sorted(first) if seed in second]


def spread(values: Sequence[float], signed: bool = False) -> str:
    """mean ± sample standard deviation."""
    if not values:
        return "–"
    mean = f"{statistics.mean(values):+.3f}" if signed else f"{statistics.mean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def verdict(values: Sequence[float]) -> str:
    """Is it worse by more than the spread?"""
    if not values:
        return "not measured"
    if len(values) < 2:
        return "one seed"
    if statistics.mean(values) < -statistics.stdev(values):
        return WORSE
    return "yes"


def pays(values: Sequence[float]) -> str:
    """Is the mean gain greater than its spread?"""
    if len(values) < 2:
        return ""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    if mean > deviation:
        return "pays"
    return "costs" if mean < -deviation else "within the spread"
