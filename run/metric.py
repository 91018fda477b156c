"""Metric: a number with its unit and meaning; how numbers of a unit are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# percent: stored as a fraction of 1, printed times 100. number: printed as it is (MAE, Corr).
Unit = Literal["percent", "number"]

NUMBER_DIGITS = 3  # after the point of a "number", as the field prints MAE and correlation


@dataclass(frozen=True)
class Metric:
    """One number of one set of predictions."""

    name: str
    value: float | None  # None: undefined on these clips
    higher_is_better: bool = True
    note: str = ""
    remark: str = ""  # explains the number beside another; not in files of version 0.1
    unit: Unit = "percent"
    class_name: str = ""  # the class, or the one of several scores, that it measures; empty: all
    # how Acc-2 and F1 of sentiment count clips whose truth is 0; empty for all other metrics
    zero_rule: Literal["", "has-zero", "non-zero"] = ""
    paper_keys: tuple[str, ...] = ()  # its names in the paper's tables, the likeliest first

    @property
    def headline(self) -> bool:
        """True for a metric of the whole split, by the zero rule that the paper uses.

        CCC of a single score is not one of them: MAE and Corr stand in tables of many columns.
        """
        whole_split = not self.class_name and self.zero_rule != "has-zero"
        return whole_split and self.name != "CCC"


@dataclass(frozen=True)
class ValidationMetric:
    """The metric by which training chooses its best epoch."""

    name: str  # as run.json has it
    label: str  # where "validation" is said already
    unit: Unit


VALIDATION_METRICS = {
    metric.name: metric
    for metric in (
        ValidationMetric("validation L1 loss", "L1", "number"),
        ValidationMetric("validation MSE loss", "MSE", "number"),
        ValidationMetric("validation CCC loss", "1 − CCC", "number"),
        ValidationMetric("validation weighted F1", "weighted F1", "percent"),
    )
}


def paper_key(metric: str, class_name: str = "") -> str:
    """A metric's key in the paper's tables, as `acc7` or `b-f1:hap`.

    The first three letters of a class identify it in every corpus. The paper writes happy and angry
    for hap and ang of IEMOCAP.
    """
    return f"{metric}:{class_name[:3]}" if class_name else metric


def validation_label(name: str) -> str:
    """The short name of a validation metric, where "validation" is said already."""
    metric = VALIDATION_METRICS.get(name)
    return name if metric is None else metric.label


def format_validation(name: str, value: float) -> str:
    """A validation score in the unit of its metric: a percentage, or a loss with four digits."""
    metric = VALIDATION_METRICS.get(name)
    if metric is None or metric.unit == "number":
        return format_number(value, "number", 4)
    return format_number(value, "percent", 2)


def format_number(value: float, unit: Unit, digits: int) -> str:
    """The value in its unit, with so many digits after the point; zero has no sign."""
    scaled = 100 * value if unit == "percent" else value
    text = f"{scaled:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def digits_of(unit: Unit, percent_digits: int = 1) -> int:
    """Digits after the point of a metric: given for percentages, fixed for numbers."""
    return percent_digits if unit == "percent" else NUMBER_DIGITS


def values_by_name(metrics: Iterable[Metric]) -> dict[str, float | None]:
    """Name of the metric → its value."""
    return {metric.name: metric.value for metric in metrics}


def mean_and_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The mean and the sample standard deviation over runs.

    Both are None where one of the values is. The standard deviation of a single run is None.
    """
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return None, None
    std = float(np.std(defined, ddof=1)) if len(defined) > 1 else None
    return float(np.mean(defined)), std
