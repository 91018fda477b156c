"""Clips whose modalities disagree most come first."""

from __future__ import annotations

import numpy as np
import pytest

from semanticmac.eval.analysis import cases


def test_disagreement_is_the_widest_gap(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    said = data.predict(rows)
    found = cases.find_cases(data.trained.info.task, rows, said, {})
    gaps = {c: np.ptp(said.outputs[n, 2:, 0].clip(-3, 3)) for n, c in enumerate(said.clip_ids)}
    assert [case.row.clip_id for case in found] == sorted(gaps, key=lambda c: -gaps[c])
    assert found[0].disagreement == pytest.approx(max(gaps.values()))
    shares = cases.probable(
        walks["single-label"].open().trained.info.task, np.array([1.0, 2.0, 3.0])
    )
    assert shares.sum() == pytest.approx(1)
