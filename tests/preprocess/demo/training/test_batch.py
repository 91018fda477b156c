"""The batches of imagebind-tiny."""

from __future__ import annotations

import pytest
from support.tiny import BUDGET

from semanticmac.preprocess.demo.training.batch import draw_batch
from semanticmac.preprocess.demo.training.pool import Pool


def test_a_batch_has_the_stated_shapes_and_padding(pool: Pool):
    batch = draw_batch(pool, BUDGET, 0)
    assert batch.pictures.shape == (32, 3, 28, 28) and batch.sounds.shape == (8, 1, 128, 204)
    assert float(batch.sounds[0, 0, 0, -1]) == pytest.approx(4.268 / 9.138)
