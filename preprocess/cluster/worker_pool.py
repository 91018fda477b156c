"""Workers on other machines, any of which may be lost: every job is done once, and results come in order.

One thread of this process serves one worker: it asks for it, hands over a job, waits for the
answer, and asks for another where the worker was lost. What the lost one was doing goes to whoever
is free first. What a worker is and where it runs, cluster.py says.
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

# workers that a job may lose before it counts as failed: one crashes a worker for good, two are bad
# luck
TRIES = 3
PATIENCE_S = 60.0  # without any worker at all, before it is an error
LOOK_S = 1.0  # between two looks whether a worker has found its place

_LAST = -1  # sorts before every job's number


class WorkerLost(Exception):
    """A worker is gone and did not finish its job; the message says how."""


class Worker(Protocol):
    """One worker.

    Every method but `dismiss` may raise Lost; anything else that they raise ends the crew.
    """

    def placed(self, timeout_s: float) -> bool:
        """Whether a machine has taken it in; waits for that so long at most."""

    def begin(self) -> None:
        """Makes it ready for jobs; called once, after it was placed."""

    def do(self, job: Any) -> Any:
        """What becomes of one job."""

    def terminate(self) -> None:
        """Ends it at once, whatever it is doing; from any thread, more than once."""


@dataclass(frozen=True)
class GivenUp:
    """In place of a job's value, where it lost TRIES workers."""

    reason: str


@dataclass(order=True)
class _Task:
    number: int  # an earlier job that was lost is done before later ones
    job: Any = field(compare=False, default=None)
    future: Future[Any] = field(compare=False, default_factory=Future)
    losses: list[str] = field(compare=False, default_factory=list)


class WorkerPool(Generic[Job, Value]):
    """Workers that all do the same. Close it, or they stay."""

    def __init__(
        self, spawn: Sequence[Callable[[], Worker]], disk_full_error: Callable[[str], Exception]
    ) -> None:
        """hire: how to ask for each of the workers, which must not wait for it; disk_full_error: the error to raise where not
        one of them could be had in PATIENCE_S, given the reason why the last one was lost ("" where
        none was).
        """
        self._spawn, self._no_room = spawn, disk_full_error
        self._tasks: queue.PriorityQueue[_Task] = queue.PriorityQueue()
        self._open: dict[int, _Task] = {}  # by number: handed in and not answered yet
        self._numbers = iter(range(1 << 62))
        self._begun: Future[None] = Future()
        self._closed = threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()  # of all that follows
        self._workers: set[Worker] = set()
        self._at_work = 0
        self._idle_since = time.monotonic()
        self._threads: list[threading.Thread] = []

    def __len__(self) -> int:
        """Workers at most."""
        return len(self._spawn)

    def start(self, most: int) -> None:
        """Asks for workers, up to `most` in all; few jobs need few."""
        self._idle_since = self._idle_since if self._threads else time.monotonic()
        for spawn in self._spawn[len(self._threads) : most]:
            thread = threading.Thread(target=self._serve, args=(spawn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Returns as soon as one worker has begun; raises what ended the crew."""
        self._begun.result()

    def submit(self, job: Job) -> Future[Value | GivenUp]:
        """The job's value to be; an exception there has ended the crew, and every other job's future raises it too."""
        task = _Task(next(self._numbers), job)
        with self._lock:
            if self._error is not None:
                raise self._error
            self._open[task.number] = task
        self._tasks.put(task)
        return task.future

    def close(self) -> None:
        """Dismisses every worker; what they were doing is lost."""
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
        try:
            while not self._closed.is_set():
                worker = spawn()
                with self._lock:
                    self._workers.add(worker)
                try:
                    while not (placed := worker.placed(LOOK_S)) and not self._closed.is_set():
                        self._lose_patience("")
                    if placed:
                        self._work(worker)
                except WorkerLost as lost:
                    self._lose_patience(str(lost))
                    self._closed.wait(LOOK_S)
                finally:
                    with self._lock:
                        self._workers.discard(worker)
                    worker.terminate()
        except BaseException as error:  # whoever waits for a job is the one to hear of it
            self._fail(error)

    def _lose_patience(self, reason: str) -> None:
        """Raises `disk_full_error` where no worker has been there for too long; while one is, the others may wait."""
        with self._lock:
            late = not self._at_work and time.monotonic() - self._idle_since > PATIENCE_S
        if late:
            raise self._no_room(reason)

    def _work(self, worker: Worker) -> None:
        """Job after job, until the crew is closed; raises Lost with the worker."""
        begun = False
        with self._lock:
            self._at_work += 1
        try:
            worker.begin()
            begun = True
            with contextlib.suppress(InvalidStateError):
                self._begun.set_result(None)
            while (task := self._tasks.get()).number != _LAST:
                try:
                    self._answer(task, worker.do(task.job))
                except WorkerLost as lost:
                    task.losses.append(str(lost))
                    if len(task.losses) == TRIES:
                        self._answer(
                            task,
                            GivenUp(f"{TRIES} workers were lost over it: {'; '.join(task.losses)}"),
                        )
                    else:
                        self._tasks.put(task)
                    raise
        finally:
            with self._lock:
                self._at_work -= 1
                if (
                    begun
                ):  # or workers that fall while they start would wait for each other without end
                    self._idle_since = time.monotonic()

    def _answer(self, task: _Task, value: object) -> None:
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
    """Each job with its value, in the order of the jobs, of which at most `ahead` are handed in and not taken out."""
    waiting: deque[tuple[Job, Future[Value]]] = deque()
    for each in submitted:
        waiting.append(each)
        while waiting and (len(waiting) >= ahead or waiting[0][1].done()):
            job, future = waiting.popleft()
            yield job, future.result()
    for job, future in waiting:
        yield job, future.result()
