"""Scores with few resamples, for speed, and the runs that tests of resuming share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.resume import SETTINGS, Kill, child_trainer, clips_of_two_widths

from semanticmac.cache.layout import CacheLayout
from semanticmac.eval import evaluate
from semanticmac.eval.metrics.bootstrap import bootstrap
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, open_data
from semanticmac.train.overrides import override


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests check the intervals."""
    monkeypatch.setattr(evaluate, "bootstrap", partial(bootstrap, resamples=10))


@pytest.fixture(scope="session")
def resume_layout(planted: Callable[..., CacheLayout]) -> CacheLayout:
    return planted(clips=clips_of_two_widths())


@pytest.fixture(scope="session")
def resume_data(resume_layout: CacheLayout) -> TrainData:
    return open_data(resume_layout, "planted")


@pytest.fixture(scope="session")
def resume_settings(small: dict[str, Any], families: dict[str, str]) -> dict[str, Any]:
    return small | SETTINGS | {"language": families["bert"]}


@pytest.fixture(scope="session")
def resume_config(resume_settings: dict[str, Any]) -> TrainConfig:
    return override(TrainConfig("planted"), resume_settings)


@pytest.fixture(scope="session")
def in_child(resume_layout: CacheLayout, resume_settings: dict[str, Any]) -> Iterator[Kill]:
    """Trains in a process that dies just before moment `kill_at`."""
    with child_trainer(resume_layout, resume_settings) as kill:
        yield kill


@pytest.fixture(scope="session")
def undisturbed(in_child: Kill, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A finished run, and its moments."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    status, moments = in_child(run, 0)
    assert status == 0
    return run, moments
