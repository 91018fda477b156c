"""The study of a sweep: which process has a point, and folders without locks or permission."""

from pathlib import Path

import pytest
from support.locks import NO_LOCKS, NOT_WRITABLE, refuse, refuse_locks

from semanticmac.train.config import ConfigError
from semanticmac.train.experiments.optuna_study import TRIES, Draws, Point
from semanticmac.train.experiments.search_space import Range, Space

SPACE = {"lr": Range(1e-4, 1e-2, log=True)}


@pytest.mark.parametrize("code", NO_LOCKS)
def test_a_sweep_without_locks_is_named(tmp_path, monkeypatch, code):
    refuse_locks(monkeypatch, code)
    with pytest.raises(ConfigError, match=r"does not support locks \(NFS\?\).*give --runs"):
        Draws.open(tmp_path / "sweep", SPACE, "random", 1, {}, defaults={}, maximise=True)


@pytest.mark.parametrize("code", NOT_WRITABLE)
def test_a_sweep_in_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, code):
    refuse(monkeypatch, Path, "mkdir", code)
    with pytest.raises(ConfigError, match=r"cannot be written .*give --runs another folder"):
        Draws.open(tmp_path / "sweep", SPACE, "random", 1, {}, defaults={}, maximise=True)


SMALL_SPACE: Space = {"dropout": Range(0.0, 0.5), "neighbours": Range(2, 9)}


def test_a_point_goes_to_one_process_and_comes_back_when_that_is_gone(tmp_path: Path) -> None:
    ours, theirs = (
        Draws.open(tmp_path, SMALL_SPACE, "random", 1, {}, defaults={}, maximise=False)
        for _ in range(2)
    )
    first, second = ours.claim(2), theirs.claim(2)
    assert first is not None and second is not None and (first.point, second.point) == (0, 1)
    assert ours.claim(2) is None and theirs.claim(2) is None  # both are under way
    assert [point.score for point in ours.points()] == [None, None]
    second.lock.close()  # as when its process ends
    again = ours.claim(2)
    assert again is not None and (again.point, again.settings) == (1, second.settings)
    ours.tell(again, 0.5, 3)
    ours.tell_stopped(first)
    once_more = theirs.claim(2)
    assert once_more is not None and (once_more.point, once_more.settings) == (0, first.settings)
    theirs.tell_failure(once_more, "no")
    assert ours.claim(2) is None
    assert ours.points() == [
        Point(0, first.settings, failure="no"), Point(1, second.settings, 0.5, 3),
    ]  # fmt: skip


def test_a_point_that_kills_every_process_is_given_up(tmp_path: Path) -> None:
    draws = Draws.open(tmp_path, SMALL_SPACE, "random", 1, {}, defaults={}, maximise=False)
    for _ in range(TRIES + 2):  # a person's Ctrl-C does not count
        claim = draws.claim(1)
        assert claim is not None
        draws.tell_stopped(claim)
    for _ in range(TRIES):
        claim = draws.claim(1)
        assert claim is not None and claim.point == 0
        claim.lock.close()
    assert draws.claim(1) is None
    assert [point.failure for point in draws.points()] == [f"its process was killed {TRIES} times"]
