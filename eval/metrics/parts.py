"""Metrics of one class or one score, and their mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from semanticmac.run.metric import Metric, Unit, paper_key


def part_metrics(
    name: str,
    classes: Sequence[str],
    values: Iterable[float | None],
    paper_metrics: tuple[str, ...] = (),
    why_undefined: str = "",
    note: str = "",
    *,
    unit: Unit = "percent",
    higher_is_better: bool = True,
) -> list[Metric]:
    """One metric of each class, or of each score: `F1 (joy)`, `CCC (arousal)`."""
    metrics = []
    for class_name, value in zip(classes, values, strict=True):
        full_name = f"{name} ({class_name})"
        keys = tuple(paper_key(metric, class_name) for metric in paper_metrics)
        own_note = note if value is not None else f"{full_name} is undefined: {why_undefined}"
        metrics.append(
            Metric(
                full_name,
                value,
                higher_is_better,
                note=own_note,
                unit=unit,
                class_name=class_name,
                paper_keys=keys,
            )
        )
    return metrics


def mean_metric(name: str, parts: Sequence[Metric], paper_metric: str = "") -> Metric:
    """The mean over classes or scores; undefined where one of them is undefined."""
    keys = (paper_key(paper_metric, "average"),) if paper_metric else ()
    higher_is_better, unit = parts[0].higher_is_better, parts[0].unit
    defined = [part.value for part in parts if part.value is not None]
    if len(defined) < len(parts):
        note = f"mean {name} is undefined, since one of its parts is"
        return Metric(f"mean {name}", None, higher_is_better, note=note, unit=unit, paper_keys=keys)
    mean = float(np.mean(defined))
    return Metric(f"mean {name}", mean, higher_is_better, unit=unit, paper_keys=keys)
