"""Metrics of several scores: CCC, Corr and MAE of each one, and their means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.parts import mean_metric, part_metrics
from semanticmac.run.metric import Metric

SAME_LABELS = "its labels are constant, or no clip has one"
SAME_SIDE = "its labels or its predictions are constant, or no clip has a label"
NO_LABEL = "no clip has a label of it"


def total_dimensions(task: Task, clips: NDArray[Any]) -> tuple[Metric, ...]:
    """clips (N, 2K): truth, NaN where a score is not annotated, then the prediction.

    Each score is measured on the clips that have it. The mean MAE is left out where the ranges have
    different widths, since it would be a mean of different units.
    """
    truth, prediction = np.hsplit(clips, 2)
    ccc: list[float | None] = []
    corr: list[float | None] = []
    mae: list[float | None] = []
    for y, p in zip(truth.T, prediction.T, strict=True):
        known = ~np.isnan(y)
        if not known.any():
            for values in (ccc, corr, mae):
                values.append(None)
            continue
        ccc.append(m.concordance(y[known], p[known]))
        corr.append(m.pearson(y[known], p[known]))
        mae.append(m.mean_absolute_error(y[known], p[known]))

    names = task.names
    cccs = part_metrics("CCC", names, ccc, why_undefined=SAME_LABELS, unit="number")
    corrs = part_metrics("Corr", names, corr, why_undefined=SAME_SIDE, unit="number")
    maes = part_metrics(
        "MAE", names, mae, why_undefined=NO_LABEL, unit="number", higher_is_better=False
    )
    means = [mean_metric("CCC", cccs), mean_metric("Corr", corrs)]
    if len(set(task.loss_weights)) == 1:
        means.append(mean_metric("MAE", maes))
    return (*means, *cccs, *corrs, *maes)
