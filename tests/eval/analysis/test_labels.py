"""Pseudo labels against the labels of people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semanticmac.eval.analysis import labels
from semanticmac.run.pseudo_labels import PseudoHistory


def test_pseudo_labels_are_set_against_people(walks):
    rows = list(walks["regression"].open().manifest.split("train"))[:4]
    rows = [replace(row, label_text=[float(n)]) if n < 3 else row for n, row in enumerate(rows)]
    people, own = np.array([0.0, 1, 2]), np.array([row.label[0] for row in rows[:3]])
    taught = np.zeros((2, 4, 4, 1)) + 0.5
    found = labels.against_people(
        PseudoHistory(tuple(row.clip_id for row in rows), (1, 2), taught), rows
    )
    assert [row[:3] for row in found.rows] == [("text", 1, 3), ("text", 2, 3)]
    assert found.rows[0][3] == pytest.approx(np.abs(people - 0.5).mean())
    assert found.rows[0][4] == pytest.approx(np.abs(people - own).mean())
    assert found.rows[0][5] is None  # a constant has no correlation
