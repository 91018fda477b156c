"""The vector of a clip: mean and deviation of its embeddings."""

import numpy as np

from semanticmac.eval.pooling import pool_rows


def test_pooling():
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float16)
    expected = np.concatenate([rows.astype(float).mean(0), rows.astype(float).std(0)])
    np.testing.assert_array_equal(pool_rows(rows), expected)
    assert (pool_rows(rows[:1])[3:] == 0).all()
