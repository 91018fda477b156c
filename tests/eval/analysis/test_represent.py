"""Representations are those of the cache and the model."""

from __future__ import annotations

import numpy as np

from semanticmac.eval.analysis import represent


def test_pooled_frames_are_means_of_the_cache(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    found = represent.represent(data, rows)
    for n, row in enumerate(rows):
        cached = data.reader.get(row.key)
        np.testing.assert_allclose(
            found.cached["audio"][n], cached.audio.astype(float).mean(0), atol=1e-5
        )
        np.testing.assert_allclose(
            found.cached["vision"][n], cached.vision.astype(float).mean(0), atol=1e-5
        )
    assert np.allclose(np.linalg.norm(represent.unit(found.fused), axis=1), 1)
    assert not represent.unit(np.zeros((2, 3))).any()
