"""A pool of workers on other machines. Each job is done once and results keep their order.

Any worker may be lost, with or without its machine. One thread of this process serves one worker:
it starts the worker, passes it a job, waits for the result, and starts another worker if this one
was lost. The job of a lost worker goes to the first worker that is free. ray_backend.py defines
what a worker is and where it runs.

Ray's own retries were measured with Ray 2.60.0 on a cluster of two machines with one CPU each. One
machine was killed in the middle of a job while an actor held the other machine.

- An actor with `max_task_retries=2` raised ActorUnavailableError after 4 s. With
  `max_task_retries=-1`, the job was still pending after 60 s, although the other actor was idle.
- A remote task with `max_retries=3` and no machine with a free CPU was still pending after 40 s. It
  ran as soon as a machine joined.
- `ray.util.state.list_tasks` needs Ray's dashboard, but ray_backend.py starts Ray without it.

In this pool, any free worker takes the job of a lost worker, and PATIENCE_S limits the wait.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

Job = TypeVar("Job")
Value = TypeVar("Value")

# Workers that a job may lose before it counts as failed. Two losses may be chance.
TRIES = 3
PATIENCE_S = 60.0  # Time without any worker before it is an error.
POLL_S = 1.0  # Time between two checks whether a machine has accepted a worker.

_LAST = -1  # Sorts before the number of every job.


class WorkerLost(Exception):
    """A worker died before it finished its job; the message says how."""


class Worker(Protocol):
    """One worker.

    Every method except `terminate` may raise WorkerLost. Any other exception ends the pool.
    """

    def placed(self, timeout_s: float) -> bool:
        """Whether a machine has accepted the worker; waits for that at most `timeout_s`."""

    def begin(self) -> None:
        """Makes the worker ready for jobs; called once, after it was placed."""

    def do(self, job: Any) -> Any:
        """The result of one job."""

    def do_together(self, jobs: Sequence[Any]) -> Sequence[Any]:
        """The results of several jobs; called only by a pool with `together` above 1."""

    def terminate(self) -> None:
        """Ends the worker at once. Any thread may call it, more than once."""


@dataclass(frozen=True)
class GivenUp:
    """Replaces the value of a job that lost TRIES workers."""

    reason: str


@dataclass(order=True)
class _Task:
    number: int  # The job with the smallest number is done first.
    job: Any = field(compare=False, default=None)
    future: Future[Any] = field(compare=False, default_factory=Future)
    losses: list[str] = field(compare=False, default_factory=list)


class WorkerPool(Generic[Job, Value]):
    """Workers of one kind. Close the pool to end them."""

    def __init__(
        self,
        spawn: Sequence[Callable[[], Worker]],
        no_room_error: Callable[[str], Exception],
        together: int = 1,
    ) -> None:
        """together: jobs that a worker gets at once, at most. A job that lost a worker is given
        alone, so that it cannot fail the jobs beside it.

        spawn: one function per worker that starts it and returns without waiting for it.

        no_room_error: makes the error to raise when no worker at all was available for PATIENCE_S.
        Its argument is the reason why the last worker was lost, "" if none was lost.
        """
        self._spawn = spawn
        self._no_room_error = no_room_error
        self._together = together
        self._tasks: queue.PriorityQueue[_Task] = queue.PriorityQueue()
        self._open: dict[int, _Task] = {}  # By number: jobs without a result.
        self._numbers = iter(range(1 << 62))
        self._begun: Future[None] = Future()  # Done when the first worker has begun.
        self._closed = threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()  # Protects the fields below.
        self._workers: set[Worker] = set()
        self._active_workers = 0
        self._idle_since = time.monotonic()
        self._threads: list[threading.Thread] = []

    def __len__(self) -> int:
        """The largest number of workers."""
        return len(self._spawn)

    def start(self, most: int) -> None:
        """Starts workers until there are `most`."""
        if not self._threads:
            self._idle_since = time.monotonic()
        for spawn in self._spawn[len(self._threads) : most]:
            thread = threading.Thread(target=self._serve, args=(spawn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Returns when the first worker has begun; raises the error that ended the pool."""
        self._begun.result()

    def submit(self, job: Job) -> Future[Value | GivenUp]:
        """The future value of the job. An exception ends the pool: every open future raises it."""
        task = _Task(next(self._numbers), job)
        with self._lock:
            if self._error is not None:
                raise self._error
            self._open[task.number] = task
        self._tasks.put(task)
        return task.future

    def close(self) -> None:
        """Ends every worker, also in the middle of a job."""
        self._closed.set()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.terminate()
        for _ in self._threads:
            self._tasks.put(_Task(_LAST))
        for thread in self._threads:
            thread.join(timeout=5)

    def _serve(self, spawn: Callable[[], Worker]) -> None:
        """Runs one worker after another until the pool is closed."""
        try:
            while not self._closed.is_set():
                worker = spawn()
                with self._lock:
                    self._workers.add(worker)
                try:
                    self._work_when_placed(worker)
                except WorkerLost as lost:
                    self._check_patience(str(lost))
                    self._closed.wait(POLL_S)
                finally:
                    with self._lock:
                        self._workers.discard(worker)
                    worker.terminate()
        except BaseException as error:  # Raised again where somebody waits for a job.
            self._fail(error)

    def _work_when_placed(self, worker: Worker) -> None:
        while not worker.placed(POLL_S):
            if self._closed.is_set():
                return
            self._check_patience("")
        self._work(worker)

    def _check_patience(self, reason: str) -> None:
        """Raises `no_room_error` when there was no active worker for PATIENCE_S."""
        with self._lock:
            idle = not self._active_workers
            late = idle and time.monotonic() - self._idle_since > PATIENCE_S
        if late:
            raise self._no_room_error(reason)

    def _work(self, worker: Worker) -> None:
        """Gives the worker jobs until the pool is closed; raises WorkerLost."""
        begun = False
        with self._lock:
            self._active_workers += 1
        try:
            worker.begin()
            begun = True
            with contextlib.suppress(InvalidStateError):
                self._begun.set_result(None)

            while (task := self._tasks.get()).number != _LAST:
                self._run(worker, [task, *self._more(task)])
        finally:
            with self._lock:
                self._active_workers -= 1
                # A worker that dies while it starts does not count: workers that all do so
                # would extend each other's patience without end.
                if begun:
                    self._idle_since = time.monotonic()

    def _more(self, task: _Task) -> list[_Task]:
        """Further jobs that wait now, for the same worker."""
        more: list[_Task] = []
        while not task.losses and len(more) + 1 < self._together:
            try:
                following = self._tasks.get_nowait()
            except queue.Empty:
                break
            if following.number == _LAST or following.losses:
                self._tasks.put(following)
                break
            more.append(following)
        return more

    def _run(self, worker: Worker, tasks: Sequence[_Task]) -> None:
        """Sets the results of the jobs; a lost worker puts them back, or gives them up."""
        try:
            if len(tasks) == 1:
                results: Sequence[object] = [worker.do(tasks[0].job)]
            else:
                results = worker.do_together([task.job for task in tasks])
            for task, result in zip(tasks, results, strict=True):
                self._set_result(task, result)
        except WorkerLost as lost:
            for task in tasks:
                self._count_loss(task, str(lost))
            raise

    def _count_loss(self, task: _Task, reason: str) -> None:
        task.losses.append(reason)
        if len(task.losses) < TRIES:
            self._tasks.put(task)
            return
        losses = "; ".join(task.losses)
        self._set_result(task, GivenUp(f"{TRIES} workers were lost over it: {losses}"))

    def _set_result(self, task: _Task, value: object) -> None:
        with self._lock:
            if self._open.pop(task.number, None):
                task.future.set_result(value)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            waiting = [self._begun, *(task.future for task in self._open.values())]
            self._open.clear()
        for future in waiting:
            with contextlib.suppress(InvalidStateError):
                future.set_exception(error)


def in_order(
    submitted: Iterable[tuple[Job, Future[Value]]], ahead: int
) -> Iterator[tuple[Job, Value]]:
    """Each job with its value, in the order of the jobs; at most `ahead` jobs are pending."""
    waiting: deque[tuple[Job, Future[Value]]] = deque()
    for pending in submitted:
        waiting.append(pending)
        while waiting and (len(waiting) >= ahead or waiting[0][1].done()):
            job, future = waiting.popleft()
            yield job, future.result()
    for job, future in waiting:
        yield job, future.result()
