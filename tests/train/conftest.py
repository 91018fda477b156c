"""Scores with few resamples, because the default of a thousand would slow these tests down."""

from __future__ import annotations

from functools import partial

import pytest

from semanticmac.eval import evaluate
from semanticmac.eval.metrics.bootstrap import bootstrap


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests check the intervals."""
    monkeypatch.setattr(evaluate, "bootstrap", partial(bootstrap, resamples=10))
