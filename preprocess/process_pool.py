"""Worker processes that can be killed: a job that hangs or crashes costs no other job.

Each worker is a new interpreter (decord and torch do not survive a fork) in a process group of its
own, so killing the group also ends an ffmpeg that the worker runs. One thread of the parent serves
one worker: it sends a job, waits for the answer, and replaces a worker that died. Each group has a
guard process. It ends the group when the worker or the parent dies, whoever killed them.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby, islice
from multiprocessing.connection import Pipe
from typing import Any, Generic, Literal, TypeVar

from semanticmac.preprocess.process_worker import RECEIVED

Job = TypeVar("Job")
Value = TypeVar("Value")
Outcome = Literal["done", "raised", "died", "timed out", "out of memory"]

# Groups of jobs per worker that are taken ahead of the next result.
LOOK_AHEAD = 4
# Most jobs in a group. Their results stay in memory until their turn comes.
GROUP_JOBS = 32
# For an interpreter and its imports, on a machine under load.
START_TIMEOUT_S = 120.0
SINGLE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
NEVER_RECEIVED = "two worker processes were killed before they received the job"
MAIN = (
    "import sys; sys.path[:] = {path!r}; "
    "from semanticmac.preprocess.process_worker import main; main({pipe})"
)


class WorkerError(RuntimeError):
    """No worker can be started. This is not the fault of a job."""


@dataclass(frozen=True)
class Result(Generic[Job, Value]):
    """The result of one job."""

    job: Job
    outcome: Outcome
    value: Value | None = None  # the return value if the outcome is "done"
    error_type: str = ""  # name of the exception's class; empty if the worker died
    reason: str = ""  # a message for the user; empty if the outcome is "done"

    @property
    def worker_lost(self) -> bool:
        """True if the job ended its worker. Another method may then succeed."""
        return self.outcome in ("died", "timed out", "out of memory")


def run_isolated(
    function: Callable[[Job], Value],
    jobs: Iterable[Job],
    *,
    workers: int,
    timeout_s: float,
    memory_bytes: int,
    together: Callable[[Job], Hashable] | None = None,
    ahead: int = LOOK_AHEAD,
) -> Iterator[Result[Job, Value]]:
    """Runs function(job) for every job in worker processes. Results come in the order of the jobs.

    function: importable by name from a module (not a lambda, not from __main__). Jobs and values
    must pickle.
    workers: number of processes; 0 counts as 1. Nothing runs in the caller's process.
    timeout_s: time for one job; a worker that needs longer is killed.
    memory_bytes: limit on the private memory of a worker and of each program that it runs.
    together: neighbouring jobs with the same value go to one worker, one after the other, so that
    they can share what it keeps in memory. None: each job by itself.
    ahead: groups per worker that are taken from `jobs` before a result is given. With 1, one worker
    and no groups, each result comes before the next job is taken.

    Closing the iterator, or an interrupt, kills all workers at once. Raises TypeError for a
    function that is not importable, and WorkerError if no worker can be started.
    """
    try:
        target = pickle.dumps(function)
    except (pickle.PicklingError, AttributeError) as error:
        raise TypeError(
            f"{function!r} cannot run in a worker: it must be a function of a module ({error})"
        ) from None
    pool = _WorkerPool(target, timeout_s, memory_bytes)
    return _in_order(pool, groups(jobs, together), max(1, workers), ahead)


def groups(jobs: Iterable[Job], together: Callable[[Job], Hashable] | None) -> Iterator[list[Job]]:
    """Neighbouring jobs with the same value of `together`, at most GROUP_JOBS in a group."""
    if together is None:
        for job in jobs:
            yield [job]
        return
    for _, neighbours in groupby(jobs, together):
        while group := list(islice(neighbours, GROUP_JOBS)):
            yield group


def _in_order(
    pool: _WorkerPool, jobs: Iterable[list[Job]], workers: int, ahead: int
) -> Iterator[Result[Job, Any]]:
    waiting: deque[list[Future[Result[Job, Any]]]] = deque()
    try:
        for group in jobs:
            if len(waiting) < workers:
                pool.grow(workers)
            waiting.append(pool.submit(group))
            if len(waiting) >= ahead * workers:
                for future in waiting.popleft():
                    yield future.result()
        while waiting:
            for future in waiting.popleft():
                yield future.result()
    finally:
        pool.close()


class _WorkerPool:
    """The workers of one call and the threads that serve them."""

    def __init__(self, target: bytes, timeout_s: float, memory_bytes: int) -> None:
        self.target, self.timeout_s, self.memory_bytes = target, timeout_s, memory_bytes
        self._tasks: queue.SimpleQueue[list[tuple[Any, Future[Result[Any, Any]]]] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._workers: dict[int, _Worker] = {}  # by the number of the thread that serves it
        self._threads: list[threading.Thread] = []
        self._closed = False

    def grow(self, most: int) -> None:
        """Adds a thread, up to `most`. So a few jobs start only a few workers."""
        if len(self._threads) < most:
            # A daemon thread: an interpreter that exits does not wait for a job to finish.
            thread = threading.Thread(target=self._serve, args=(len(self._threads),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit(self, group: list[Job]) -> list[Future[Result[Job, Any]]]:
        futures: list[Future[Result[Job, Any]]] = [Future() for _ in group]
        self._tasks.put(list(zip(group, futures, strict=True)))
        return futures

    def close(self) -> None:
        """Kills every worker. Unfinished jobs are lost."""
        with self._lock:
            self._closed = True
            for worker in self._workers.values():
                worker.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            # The garbage collector may run this in any thread.
            if thread is not threading.current_thread():
                thread.join(timeout=1)

    def _serve(self, number: int) -> None:
        while (tasks := self._tasks.get()) is not None and not self._closed:
            for job, future in tasks:
                try:
                    future.set_result(self._run(number, job))
                except BaseException as error:
                    # The thread that waits for the future raises it.
                    future.set_exception(error)
        worker = self._workers.get(number)
        if worker:
            worker.reap()

    def _run(self, number: int, job: Job) -> Result[Job, Any]:
        worker = self._workers.get(number) or self._spawn(number)
        result = worker.run(job, self.timeout_s)
        if result is None:
            # The worker was killed while it was idle. The job is not to blame, so try it again.
            self._terminate(number)
            result = self._spawn(number).run(job, self.timeout_s) or Result(
                job, "died", reason=NEVER_RECEIVED
            )
        if result.worker_lost:
            self._terminate(number)
        return result

    def _spawn(self, number: int) -> _Worker:
        with self._lock:
            if self._closed:
                raise WorkerError("the worker pool is closed")
            worker = self._workers[number] = _Worker(self.target, self.memory_bytes)
        worker.start()
        return worker

    def _terminate(self, number: int) -> None:
        with self._lock:
            worker = self._workers.pop(number)
        worker.kill()
        worker.reap()


class _Worker:
    """One worker process, seen from the parent."""

    def __init__(self, target: bytes, memory_bytes: int) -> None:
        self.pipe, theirs = Pipe()
        with theirs:
            # When the parent dies, stdin ends. The guard waits for that.
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN.format(path=sys.path, pipe=theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **SINGLE_THREAD},
                # Ctrl-C reaches only the parent, and killpg also reaches the worker's children.
                start_new_session=True,
            )
        self._start = (memory_bytes, target)

    def start(self) -> None:
        """Sends the function. Raises WorkerError if the worker cannot import it."""
        with _Deadline(START_TIMEOUT_S, self.kill):
            try:
                self.pipe.send(self._start)
                problem = self.pipe.recv()
            except (EOFError, OSError):
                problem = f"it ended while starting ({self._death()})"
        if problem:
            raise WorkerError(f"a worker process cannot start: {problem}")

    def run(self, job: Job, timeout_s: float) -> Result[Job, Any] | None:
        """The result of the job, or None if the worker died before it received the job."""
        received = False
        with _Deadline(timeout_s, self.kill) as deadline:
            try:
                self.pipe.send_bytes(pickle.dumps(job))
                received = self.pipe.recv_bytes() == RECEIVED
                outcome, value, error_type, reason = pickle.loads(self.pipe.recv_bytes())
                result = Result(job, outcome, value, error_type, reason)
            except (EOFError, OSError):
                death = self._death()
                if deadline.passed:
                    reason = f"killed after {timeout_s:g} s without an answer"
                    return Result(job, "timed out", reason=reason)
                if not received:
                    return None
                return Result(job, "died", reason=f"the worker process died: {death}")
            except Exception as error:
                # The job does not pickle, or its value does not unpickle.
                result = Result(job, "raised", error_type=type(error).__name__, reason=str(error))
        return result

    def kill(self) -> None:
        """Kills the worker and every process that it started."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def reap(self) -> None:
        self.process.wait()
        self.pipe.close()
        if self.process.stdin:
            self.process.stdin.close()

    def _death(self) -> str:
        """Waits for the end of the process, kills its children, and says how it ended."""
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        self.kill()
        code = self.process.wait()
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit status {code}"


class _Deadline:
    """Calls a function if the block takes too long. `passed` is True after the call."""

    def __init__(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self.passed = False
        self._on_timeout, self._finished, self._lock = on_timeout, False, threading.Lock()
        self._timer = threading.Timer(seconds, self._time_out)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._finished = True
        self._timer.cancel()

    def _time_out(self) -> None:
        with self._lock:
            if not self._finished:
                self.passed = True
                self._on_timeout()
