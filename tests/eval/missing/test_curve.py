"""Curves of a trained model: exact at rate 0, the same for every batch, free of leaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from semanticmac.cache.batch import ClipInput
from semanticmac.eval import eval_data
from semanticmac.eval.evaluate import evaluate
from semanticmac.eval.missing.curve import (
    MissingCurve,
    MissingPoint,
    curve_path,
    read_curve,
    score_missing,
)
from semanticmac.eval.missing.drop import Drop
from semanticmac.eval.missing.request import RATE_PROTOCOLS, MissingRequest
from semanticmac.run.folder import RunError
from semanticmac.run.metric import Metric

SHORT = (0.0, 0.5, 0.9)


@pytest.mark.parametrize("protocol", RATE_PROTOCOLS)
def test_rate_zero_is_the_plain_score_and_batches_do_not_matter(walks, protocol, monkeypatch):
    walk = walks["regression"]
    data = walk.open()
    request = MissingRequest(protocol, draws=2, rates=SHORT)
    curve = score_missing(data, "test", request)
    scores = evaluate(data.trained, data.layout, "test", data.device).scores
    assert curve.points[0].draws == ({metric.name: metric.value for metric in scores.metrics},)
    assert curve.points[0].dropped == 0
    assert curve.points[2].draws[0] != curve.points[0].draws[0]
    assert [len(point.draws) for point in curve.points] == [1, 2, 2]

    monkeypatch.setattr(eval_data, "BATCH_CLIPS", 1)
    again = score_missing(data, "test", request)
    for point, other in zip(curve.points, again.points, strict=True):
        for draw, repeated in zip(point.draws, other.draws, strict=True):
            assert repeated[curve.main] == pytest.approx(draw[curve.main], abs=1e-6)


def test_order_of_the_clips_does_not_matter(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    drop = Drop("same", 0.5)
    forwards = data.predict(rows, corrupt=drop)
    backwards = data.predict(rows[::-1], corrupt=drop)
    np.testing.assert_allclose(backwards.outputs[::-1], forwards.outputs, atol=1e-6)


def test_what_is_dropped_is_not_in_the_batch(walks):
    """Other words and other numbers in place of what is dropped give the same batch."""
    data = walks["regression"].open()
    rows = data.rows("test")
    drop = Drop("same", 0.6)

    def after_a_change(clip_id: str, clip: ClipInput) -> ClipInput:
        changed = drop(clip_id, clip)
        frames = {}
        for name in ("audio", "vision"):
            values, kept = getattr(clip, name), getattr(changed, f"{name}_kept")
            if values is not None and kept is not None:
                values = values.copy()
                values[~kept] = 1000.0
            frames[name] = values
        return replace(changed, **frames)

    [expected] = data.batches(rows, drop)
    [other] = data.batches(rows, after_a_change)
    for name in ("token_ids", "token_mask", "audio", "audio_mask", "vision", "vision_mask"):
        assert torch.equal(getattr(expected, name), getattr(other, name)), name
    assert not expected.audio[~expected.audio_mask].any()


def test_every_subset_is_a_point(walks):
    curve = score_missing(walks["regression"].open(), "test", MissingRequest("subsets"))
    assert [point.name for point in curve.points][:2] == ["text + audio + vision", "text + audio"]
    assert len(curve.points) == 7 and curve.draws == 1
    values = [point.draws[0][curve.main] for point in curve.points]
    assert curve.areas(curve.main) == [pytest.approx(np.mean(values))]


def test_a_curve_is_written_and_read(walks, tmp_path):
    curve = score_missing(
        walks["binary"].open(), "test", MissingRequest("block", draws=2, rates=SHORT)
    )
    curve.write(tmp_path)
    assert read_curve(tmp_path, "block", "test") == curve
    assert read_curve(tmp_path, "same", "test") is None


def test_the_area_is_that_of_trapezoids():
    points = []
    for rate, values in ((0.0, [1.0]), (0.2, [0.8, 0.6]), (0.5, [0.5, 0.1])):
        points.append(MissingPoint(str(rate), rate, rate, tuple({"F1": v} for v in values)))
    curve = MissingCurve(
        "same", "absent", "test", 0, 2, "F1", (Metric("F1", None),), 0.2, tuple(points)
    )
    first = (0.2 * (1.0 + 0.8) / 2 + 0.3 * (0.8 + 0.5) / 2) / 0.5
    second = (0.2 * (1.0 + 0.6) / 2 + 0.3 * (0.6 + 0.1) / 2) / 0.5
    assert curve.areas("F1") == pytest.approx([first, second])


def test_an_undefined_score_makes_the_area_undefined():
    points = (
        MissingPoint("0.0", 0.0, 0.0, ({"Corr": 0.5},)),
        MissingPoint("0.9", 0.9, 0.9, ({"Corr": None},)),
    )
    curve = MissingCurve(
        "same", "absent", "test", 0, 1, "Corr", (Metric("Corr", None),), None, points
    )
    assert curve.areas("Corr") == [None]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"weights": "", "metrics": [1]}'])
def test_a_file_that_is_no_curve_is_named(tmp_path, text):
    curve_path(tmp_path, "same", "test").write_text(text)
    with pytest.raises(RunError, match=r"missing-same-test\.json is no curve of missing data"):
        read_curve(tmp_path, "same", "test")
