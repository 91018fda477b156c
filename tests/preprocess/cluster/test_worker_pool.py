"""The pool does every job once and in order when workers are lost, and never waits without end."""

import itertools
import threading

import pytest

from semanticmac.preprocess.cluster import worker_pool as module
from semanticmac.preprocess.cluster.placement import ClusterError
from semanticmac.preprocess.cluster.worker_pool import (
    TRIES,
    GivenUp,
    WorkerLost,
    WorkerPool,
    in_order,
)

GUARD_S = 30.0  # a generous deadline; nothing here should come near it


class Squares:
    """A worker that squares numbers; `plan` says what else happens when it is handed one."""

    def __init__(
        self, plan=lambda worker, job: None, placed=lambda: True, begin=lambda: None
    ) -> None:
        self.plan, self.placed_, self.begin = plan, placed, begin
        self.gone = threading.Event()

    def placed(self, timeout_s: float) -> bool:
        return self.placed_()

    def do(self, job: int) -> int:
        self.plan(self, job)
        return job * job

    def terminate(self) -> None:
        self.gone.set()


def no_room_error(reason: str) -> Exception:
    return ClusterError(f"no room ({reason})")


def squares(pool: WorkerPool, jobs, ahead: int = 4) -> list:
    pool.start(len(pool))
    return [value for _, value in in_order(((job, pool.submit(job)) for job in jobs), ahead)]


@pytest.fixture
def pool_of(monkeypatch):
    """pool_of(*spawn): a pool with short POLL_S and PATIENCE_S; it is closed after the test."""
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    made = []

    def make(*spawn) -> WorkerPool:
        made.append(WorkerPool(spawn, no_room_error))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def test_jobs_of_lost_workers_are_done_by_others_and_come_in_order(pool_of):
    done, lost = [], []

    def fall(worker: Squares, job: int) -> None:
        if job % 5 == 3 and lost.count(job) < TRIES - 1:
            lost.append(job)
            raise WorkerLost("the machine is gone")
        done.append(job)

    pool = pool_of(*[lambda: Squares(fall)] * 3)
    assert squares(pool, range(40), ahead=7) == [n * n for n in range(40)]
    assert sorted(done) == list(range(40)), "a job was done twice"
    assert len(lost) == 8 * (TRIES - 1)


def test_a_job_that_takes_every_worker_down_is_given_up_and_costs_no_other(pool_of):
    def fall(worker: Squares, job: int) -> None:
        if job == 2:
            raise WorkerLost("out of memory")

    values = squares(pool_of(*[lambda: Squares(fall)] * 2), range(6))
    assert values[:2] + values[3:] == [0, 1, 9, 16, 25]
    assert values[2] == GivenUp(
        "3 workers were lost over it: out of memory; out of memory; out of memory"
    )


def test_no_more_jobs_are_under_way_than_asked_for(pool_of):
    """The first job is the last that is done: what comes after it must not pile up meanwhile."""
    taken = []
    first = threading.Event()
    pool = pool_of(lambda: Squares(lambda worker, job: job or first.wait(GUARD_S)), Squares)
    pool.start(2)
    results = in_order(((job, pool.submit(job)) for job in range(50) if not taken.append(job)), 4)
    threading.Timer(0.2, first.set).start()
    for given, (job, _) in enumerate(results):
        assert given == job and len(taken) <= given + 4


def test_an_error_of_a_worker_is_raised_and_ends_the_crew(pool_of):
    def break_(worker: Squares, job: int) -> None:
        if job == 3:
            raise ClusterError("it does not see the file")

    pool = pool_of(*[lambda: Squares(break_)] * 2)
    with pytest.raises(ClusterError, match="does not see"):
        squares(pool, range(100))
    with pytest.raises(ClusterError, match="does not see"):
        pool.submit(0)


def test_without_any_worker_it_says_so_instead_of_waiting(pool_of):
    with pytest.raises(ClusterError, match="no room"):
        squares(pool_of(*[lambda: Squares(placed=lambda: False)] * 2), range(3))
    with pytest.raises(ClusterError, match="no room"):
        pool = pool_of(lambda: Squares(placed=lambda: False))
        pool.start(1)
        pool.wait()

    def fall() -> None:
        raise WorkerLost("it fell while it started")

    with pytest.raises(ClusterError, match="it fell while it started"):
        squares(pool_of(lambda: Squares(begin=fall)), range(3))


def test_a_worker_may_wait_for_room_while_another_works(pool_of, monkeypatch):
    """The second is let in only after patience would have ended many times over."""
    looks = itertools.count()

    def first(worker: Squares, job: int) -> None:
        assert worker.gone.wait(0) or late.wait(GUARD_S)

    late = threading.Event()

    def placed() -> bool:
        if next(looks) == 200:
            late.set()
        return late.is_set()

    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    at_work = threading.Event()
    pool = pool_of(
        lambda: Squares(first, begin=at_work.set),
        lambda: Squares(placed=lambda: at_work.wait() and placed()),
    )
    assert squares(pool, range(8)) == [n * n for n in range(8)]
    assert next(looks) > 200


def test_closing_dismisses_workers_in_the_middle_of_a_job(pool_of):
    busy, spawned = threading.Event(), []

    def hang(worker: Squares, job: int) -> None:
        busy.set()
        assert worker.gone.wait(GUARD_S)
        raise WorkerLost("dismissed")

    def spawn() -> Squares:
        spawned.append(Squares(hang))
        return spawned[-1]

    pool = pool_of(spawn)
    pool.start(1)
    future = pool.submit(1)
    assert busy.wait(GUARD_S)
    pool.close()
    assert [worker.gone.is_set() for worker in spawned] == [True]
    assert not future.done()


def test_a_worker_gets_waiting_jobs_together_and_a_bad_one_fails_alone(monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.01)
    sizes, ready = [], threading.Event()

    class Groups(Squares):
        def do(self, job: int) -> int:
            ready.wait(GUARD_S)
            return self.do_together([job])[0]

        def do_together(self, jobs: list[int]) -> list[int]:
            sizes.append(len(jobs))
            if 7 in jobs:
                raise WorkerLost("the memory is full")
            return [job * job for job in jobs]

    pool = WorkerPool([Groups], no_room_error, together=4)
    try:
        futures = [pool.submit(job) for job in range(10)]
        pool.start(1)
        ready.set()
        results = [future.result(GUARD_S) for future in futures]
    finally:
        pool.close()
    assert isinstance(results.pop(7), GivenUp)
    assert results == [n * n for n in range(10) if n != 7]
    # 0-3, then 4-7 lose their worker; these go alone, and 7 loses two more; then 8-9.
    assert sizes[:2] == [4, 4] and sizes.count(1) == 3 + 2
