"""Precision and recall against a loop, and the parts of z."""

from __future__ import annotations

import numpy as np
import pytest

from semanticmac.eval.analysis import balance, represent


def inside_by_loop(reference: np.ndarray, points: np.ndarray, k: int) -> float:
    """Kynkäänniemi et al. 2019, equation 1, one point at a time."""
    hits = 0
    for point in points:
        for centre in reference:
            reach = sorted(np.linalg.norm(centre - other) for other in reference)[
                k
            ]  # 0 is the point itself
            if np.linalg.norm(point - centre) <= reach:
                hits += 1
                break
    return hits / len(points)


def test_precision_and_recall_equal_the_loop():
    draw = np.random.default_rng(0)
    reference, points = draw.normal(size=(40, 3)), 1.2 + 0.8 * draw.normal(size=(30, 3))
    precision, recall = balance.precision_recall(reference, points, 3)
    assert precision == inside_by_loop(reference, points, 3) and recall == inside_by_loop(
        points, reference, 3
    )
    assert 0 < precision < 1 and 0 < recall < 1
    assert balance.precision_recall(reference, reference, 3) == (1.0, 1.0)
    assert balance.precision_recall(reference, points + 100, 3) == (0.0, 0.0)
    with pytest.raises(ValueError, match="no 3-th neighbour"):
        balance.radii(points[:3], 3)


def test_what_the_modalities_add_is_z(walks):
    data = walks["regression"].open()
    found = represent.represent(data, data.rows("test"))
    bias = data.trained.model.fuse.bias.detach().double().numpy()
    added = balance.contributions(data.trained.model, found)
    np.testing.assert_allclose(added.sum(axis=1) + bias, found.fused, atol=1e-5)


def test_runs_stand_beside_each_other(walks):
    data = walks["regression"].open()
    alone = balance.analyse(data, walks["regression"].run, "test").tables[""]
    beside = balance.analyse_beside([("a", data), ("b", data)], "test")
    rows = beside.tables["beside"].rows
    assert beside.tables["beside"].columns[:2] == ("run", "embeddings")
    assert [row[0] for row in rows] == ["a"] * len(alone.rows) + ["b"] * len(alone.rows)
    assert tuple(row[2:] for row in rows) == alone.rows * 2
    assert {row[1] for row in rows} == {data.streams.describe()}
