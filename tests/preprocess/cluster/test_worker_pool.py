"""Workers that may be lost: every job is done once all the same, in order, and nothing waits for ever."""

import itertools
import threading

import pytest

from semanticmac.preprocess.cluster import worker_pool as crew_module
from semanticmac.preprocess.cluster.placement import ClusterError, Node, placements
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


def disk_full_error(reason: str) -> Exception:
    return ClusterError(f"no room ({reason})")


def squares(crew: WorkerPool, jobs, ahead: int = 4) -> list:
    crew.start(len(crew))
    return [value for _, value in in_order(((job, crew.submit(job)) for job in jobs), ahead)]


@pytest.fixture
def crew_of(monkeypatch):
    """crew_of(*hire): a crew that looks often and has little patience, and is closed in the end."""
    monkeypatch.setattr(crew_module, "LOOK_S", 0.01)
    monkeypatch.setattr(crew_module, "PATIENCE_S", 0.2)
    made = []

    def make(*spawn) -> WorkerPool:
        made.append(WorkerPool(spawn, disk_full_error))
        return made[-1]

    yield make
    for crew in made:
        crew.close()


def test_jobs_of_lost_workers_are_done_by_others_and_come_in_order(crew_of):
    done, lost = [], []

    def fall(worker: Squares, job: int) -> None:
        if job % 5 == 3 and lost.count(job) < TRIES - 1:
            lost.append(job)
            raise WorkerLost("the machine is gone")
        done.append(job)

    crew = crew_of(*[lambda: Squares(fall)] * 3)
    assert squares(crew, range(40), ahead=7) == [n * n for n in range(40)]
    assert sorted(done) == list(range(40)), "a job was done twice"
    assert len(lost) == 8 * (TRIES - 1)


def test_a_job_that_takes_every_worker_down_is_given_up_and_costs_no_other(crew_of):
    def fall(worker: Squares, job: int) -> None:
        if job == 2:
            raise WorkerLost("out of memory")

    values = squares(crew_of(*[lambda: Squares(fall)] * 2), range(6))
    assert values[:2] + values[3:] == [0, 1, 9, 16, 25]
    assert values[2] == GivenUp(
        "3 workers were lost over it: out of memory; out of memory; out of memory"
    )


def test_no_more_jobs_are_under_way_than_asked_for(crew_of):
    """The first job is the last that is done: what comes after it must not pile up meanwhile."""
    taken = []
    first = threading.Event()
    crew = crew_of(lambda: Squares(lambda worker, job: job or first.wait(GUARD_S)), Squares)
    crew.start(2)
    results = in_order(((job, crew.submit(job)) for job in range(50) if not taken.append(job)), 4)
    threading.Timer(0.2, first.set).start()
    for given, (job, _) in enumerate(results):
        assert given == job and len(taken) <= given + 4


def test_an_error_of_a_worker_is_raised_and_ends_the_crew(crew_of):
    def break_(worker: Squares, job: int) -> None:
        if job == 3:
            raise ClusterError("it does not see the file")

    crew = crew_of(*[lambda: Squares(break_)] * 2)
    with pytest.raises(ClusterError, match="does not see"):
        squares(crew, range(100))
    with pytest.raises(ClusterError, match="does not see"):
        crew.submit(0)


def test_without_any_worker_it_says_so_instead_of_waiting(crew_of):
    with pytest.raises(ClusterError, match="no room"):
        squares(crew_of(*[lambda: Squares(placed=lambda: False)] * 2), range(3))
    with pytest.raises(ClusterError, match="no room"):
        crew = crew_of(lambda: Squares(placed=lambda: False))
        crew.start(1)
        crew.wait()

    def fall() -> None:
        raise WorkerLost("it fell while it started")

    with pytest.raises(ClusterError, match="it fell while it started"):
        squares(crew_of(lambda: Squares(begin=fall)), range(3))


def test_a_worker_may_wait_for_room_while_another_works(crew_of, monkeypatch):
    """The second is let in only after patience would have ended many times over."""
    looks = itertools.count()

    def first(worker: Squares, job: int) -> None:
        assert worker.gone.wait(0) or late.wait(GUARD_S)

    late = threading.Event()

    def placed() -> bool:
        if next(looks) == 200:
            late.set()
        return late.is_set()

    monkeypatch.setattr(crew_module, "PATIENCE_S", 0.0)
    at_work = threading.Event()
    crew = crew_of(
        lambda: Squares(first, begin=at_work.set),
        lambda: Squares(placed=lambda: at_work.wait() and placed()),
    )
    assert squares(crew, range(8)) == [n * n for n in range(8)]
    assert next(looks) > 200


def test_closing_dismisses_workers_in_the_middle_of_a_job(crew_of):
    busy, hired = threading.Event(), []

    def hang(worker: Squares, job: int) -> None:
        busy.set()
        assert worker.gone.wait(GUARD_S)
        raise WorkerLost("dismissed")

    def spawn() -> Squares:
        hired.append(Squares(hang))
        return hired[-1]

    crew = crew_of(spawn)
    crew.start(1)
    future = crew.submit(1)
    assert busy.wait(GUARD_S)
    crew.close()
    assert [worker.gone.is_set() for worker in hired] == [True]
    assert not future.done()


SHAPES = [
    [Node("a", "a", 1.0, 0)],
    [Node("a", "a", 2.0, 0)],
    [Node("a", "a", 0.5, 0), Node("b", "b", 64.0, 0)],
    [Node("head", "head", 0.0, 0), Node("a", "a", 8.0, 4), Node("b", "b", 3.0, 0)],
]


@pytest.mark.parametrize("nodes", SHAPES)
@pytest.mark.parametrize("workers", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("device", [None, "auto", "cpu"])
def test_all_seats_fit_on_their_machines_at_once(nodes, workers, device):
    decoders, encoders = placements(nodes, workers, device)
    for node in nodes:
        here = [seat for seat in (*decoders, *encoders) if seat.node_id == node.node_id]
        assert (
            sum(round(10_000 * seat.cpus) for seat in here) <= 10_000 * node.cpus
        )  # as Ray counts
        assert sum(seat.gpus for seat in here) <= node.gpus
        assert all(0 < seat.cpus <= 1 for seat in here)
    assert len(decoders) == (workers or sum(max(1, int(node.cpus)) for node in nodes if node.cpus))
    gpus = sum(node.gpus for node in nodes)
    expected = gpus if gpus and device == "auto" else sum(node.cpus > 0 for node in nodes)
    assert len(encoders) == (0 if device is None else expected)


def test_few_workers_are_spread_and_many_follow_the_cpus():
    nodes = [Node("a", "a", 2.0, 0), Node("b", "b", 6.0, 0)]
    assert [seat.node_id for seat in placements(nodes, 2, None)[0]] == ["a", "b"]
    assert [seat.node_id for seat in placements(nodes, 16, None)[0]].count("b") == 12


def test_a_cluster_without_what_is_asked_for_is_refused():
    with pytest.raises(ClusterError, match="offers a CPU"):
        placements([Node("head", "head", 0.0, 0)], None, "auto")
    with pytest.raises(
        ClusterError, match=r"--device cuda: no machine .* offers a GPU \(a: 2 CPUs and 0 GPUs\)"
    ):
        placements([Node("a", "a", 2.0, 0)], None, "cuda")
