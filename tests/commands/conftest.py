"""Scores without the wait: a thousand resamples a score would be most of these tests' time."""

from __future__ import annotations

from functools import partial

import pytest

from semanticmac.eval import evaluate
from semanticmac.eval.metrics.bootstrap import bootstrap


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bootstrap resamples instead of a thousand, for speed; other tests check the intervals."""
    monkeypatch.setattr(evaluate, "bootstrap", partial(bootstrap, resamples=10))
