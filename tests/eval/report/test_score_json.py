"""Scores as JSON without NaN."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.score_tables import EVERY_DATASET, predictions, scores_of

from semanticmac.core import Task
from semanticmac.eval.metrics.bootstrap import bootstrap
from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.score_json import scores_json


@pytest.mark.parametrize(("dataset", "task"), EVERY_DATASET)
def test_json_keeps_every_digit_and_has_no_nan(dataset: str, task: Task) -> None:
    truth, raw = predictions(task, 0)
    scores = scores_of(dataset, task)
    constant = score(dataset, task, truth, np.zeros_like(raw), train_truth=truth)
    intervals = bootstrap(dataset, task, truth, raw, resamples=5)
    report = scores_json([scores, constant], dataset, "test", intervals=intervals, notes=["a note"])
    back = json.loads(json.dumps(report, allow_nan=False))
    assert [m["value"] for m in back["runs"][0]["metrics"]] == [
        metric.value for metric in scores.metrics
    ]
    assert back["runs"][1]["collapsed"] is True and back["notes"] == ["a note"]
    name = scores.main
    values = [scores[name].value, constant[name].value]
    assert back["summary"][name]["mean"] == pytest.approx(np.mean(values))
    assert back["summary"][name]["std"] == pytest.approx(np.std(values, ddof=1))
    if task.kind == "regression":
        assert back["summary"]["Corr"] == {"mean": None, "std": None}
