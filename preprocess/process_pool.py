"""Killable worker processes: a job that hangs, crashes or eats memory costs only itself.

Each worker is a fresh interpreter (never a fork: decord and torch do not survive one) in a process
group of its own, so that killing it takes the ffmpeg that it runs along. One thread of the parent
serves one worker: it hands over a job, waits for the answer, and puts a new worker in the place of
a dead one. A guard in each group, a process that does nothing else, ends the group once the worker
or its parent is gone, whoever killed them.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby, islice
from multiprocessing.connection import Connection, Pipe
from typing import Any, Generic, Literal, TypeVar

Job = TypeVar("Job")
Value = TypeVar("Value")
Outcome = Literal["done", "raised", "died", "timed out", "out of memory"]

# groups of jobs a worker that are started or finished ahead of the one whose result is next
LOOK_AHEAD = 4
# that one worker takes together, at most: what they give is held until it is their turn
GROUP_JOBS = 32
START_TIMEOUT_S = 120.0  # for an interpreter and its imports, on a machine under load
SINGLE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
TAKEN = b"taken"  # a worker's word that it has a job, and answers for it from now on
NEVER_TAKEN = "two worker processes were killed before they took the job"
MAIN = "import sys; sys.path[:] = {path!r}; from semanticmac.preprocess.process_pool import main; main({pipe})"


class WorkerError(RuntimeError):
    """Workers cannot be started at all; no job was to blame."""


@dataclass(frozen=True)
class Result(Generic[Job, Value]):
    """What became of one job."""

    job: Job
    outcome: Outcome
    value: Value | None = None  # what the function returned; only where outcome is "done"
    error_type: str = ""  # name of the exception's class; empty where the worker was lost
    reason: str = ""  # for a person; empty where outcome is "done"

    @property
    def worker_lost(self) -> bool:
        """The job took its worker down, so another way of doing it may work where this one did not."""
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
    """Run function(job) for every job in worker processes; results come in the order of the jobs.

    function: importable by name from a module (not a lambda, not in __main__); jobs and values must
    pickle. workers: processes, at least one (0 counts as 1: nothing ever runs in the caller's
    process). timeout_s: time for one job, after which its worker is killed. memory_bytes: limit on
    the private memory of a worker, and likewise of each program that it runs. together: jobs in a
    row for which it says the same go to one worker, one after the other, so that what it keeps of
    one serves the next; None = every job by itself. ahead: groups a worker that are taken from
    `jobs` before a result is given; with 1 of one worker and no groups, a result comes before the
    next job is asked for. Closing the iterator, or an interrupt, kills all workers at once.
    """
    try:
        target = pickle.dumps(function)
    except (pickle.PicklingError, AttributeError) as error:
        raise TypeError(
            f"{function!r} cannot go to a worker: it must be a function of a module ({error})"
        ) from None
    crew = _WorkerPool(target, timeout_s, memory_bytes)
    return _in_order(crew, groups(jobs, together), max(1, workers), ahead)


def groups(jobs: Iterable[Job], together: Callable[[Job], Hashable] | None) -> Iterator[list[Job]]:
    """Neighbours for which `together` says the same, GROUP_JOBS at most."""
    if together is None:
        yield from ([job] for job in jobs)
        return
    for _, alike in groupby(jobs, together):
        while group := list(islice(alike, GROUP_JOBS)):
            yield group


def _in_order(
    crew: _WorkerPool, jobs: Iterable[list[Job]], workers: int, ahead: int
) -> Iterator[Result[Job, Any]]:
    waiting: deque[list[Future[Result[Job, Any]]]] = deque()
    try:
        for group in jobs:
            if len(waiting) < workers:
                crew.grow(workers)
            waiting.append(crew.submit(group))
            if len(waiting) >= ahead * workers:
                for future in waiting.popleft():
                    yield future.result()
        while waiting:
            for future in waiting.popleft():
                yield future.result()
    finally:
        crew.close()


class _WorkerPool:
    """The workers of one run and the threads that serve them."""

    def __init__(self, target: bytes, timeout_s: float, memory_bytes: int) -> None:
        self.target, self.timeout_s, self.memory_bytes = target, timeout_s, memory_bytes
        self._tasks: queue.SimpleQueue[list[tuple[Any, Future[Result[Any, Any]]]] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._workers: dict[int, _Worker] = {}  # by the thread that serves it
        self._threads: list[threading.Thread] = []
        self._closed = False

    def grow(self, most: int) -> None:
        """One more thread, up to `most`; few jobs start few workers."""
        if len(self._threads) < most:
            # A daemon: an interpreter that exits does not wait for a job to finish.
            thread = threading.Thread(target=self._serve, args=(len(self._threads),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit(self, group: list[Job]) -> list[Future[Result[Job, Any]]]:
        futures: list[Future[Result[Job, Any]]] = [Future() for _ in group]
        self._tasks.put(list(zip(group, futures, strict=True)))
        return futures

    def close(self) -> None:
        """Kill every worker; what they were doing is lost."""
        with self._lock:
            self._closed = True
            for worker in self._workers.values():
                worker.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            if (
                thread is not threading.current_thread()
            ):  # a garbage collector may run this anywhere
                thread.join(timeout=1)

    def _serve(self, place: int) -> None:
        while (tasks := self._tasks.get()) is not None and not self._closed:
            for job, future in tasks:
                try:
                    future.set_result(self._run(place, job))
                except BaseException as error:  # the reader of the future is the one to hear of it
                    future.set_exception(error)
        worker = self._workers.get(place)
        if worker:
            worker.reap()

    def _run(self, place: int, job: Job) -> Result[Job, Any]:
        worker = self._workers.get(place) or self._spawn(place)
        result = worker.run(job, self.timeout_s)
        if result is None:  # it was killed while it was idle: not this job's fault
            self._terminate(place)
            result = self._spawn(place).run(job, self.timeout_s) or Result(
                job, "died", reason=NEVER_TAKEN
            )
        if result.worker_lost:
            self._terminate(place)
        return result

    def _spawn(self, place: int) -> _Worker:
        with self._lock:
            if self._closed:
                raise WorkerError("the run was closed")
            worker = self._workers[place] = _Worker(self.target, self.memory_bytes)
        worker.greet()
        return worker

    def _terminate(self, place: int) -> None:
        with self._lock:
            worker = self._workers.pop(place)
        worker.kill()
        worker.reap()


class _Worker:
    """One worker process, seen from the parent."""

    def __init__(self, target: bytes, memory_bytes: int) -> None:
        self.pipe, theirs = Pipe()
        with theirs:
            # stdin is the life line: its end tells the guard that the parent is gone, however it
            # went.
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN.format(path=sys.path, pipe=theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **SINGLE_THREAD},
                # Ctrl-C reaches the parent alone, and killpg the worker's children too
                start_new_session=True,
            )
        self._start = (memory_bytes, target)

    def greet(self) -> None:
        """Tell the worker what to run; a WorkerError where it cannot be imported there."""
        with _Deadline(START_TIMEOUT_S, self.kill):
            try:
                self.pipe.send(self._start)
                complaint = self.pipe.recv()
            except (EOFError, OSError):
                complaint = f"it ended while starting ({self._death()})"
        if complaint:
            raise WorkerError(f"a worker process cannot start: {complaint}")

    def run(self, job: Job, timeout_s: float) -> Result[Job, Any] | None:
        """What became of the job; None where the worker was dead before it took the job."""
        taken = False
        with _Deadline(timeout_s, self.kill) as deadline:
            try:
                self.pipe.send_bytes(pickle.dumps(job))
                taken = self.pipe.recv_bytes() == TAKEN
                outcome, value, error_type, reason = pickle.loads(self.pipe.recv_bytes())
                result = Result(job, outcome, value, error_type, reason)
            except (EOFError, OSError):
                death = self._death()
                if deadline.passed:
                    return Result(
                        job, "timed out", reason=f"killed after {timeout_s:g} s without an answer"
                    )
                return (
                    Result(job, "died", reason=f"the worker process died: {death}")
                    if taken
                    else None
                )
            except Exception as error:  # the job does not pickle, or its value does not unpickle
                result = Result(job, "raised", error_type=type(error).__name__, reason=str(error))
        return result

    def kill(self) -> None:
        """SIGKILL for the worker and every process that it started."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def reap(self) -> None:
        self.process.wait()
        self.pipe.close()
        if self.process.stdin:
            self.process.stdin.close()

    def _death(self) -> str:
        """How the process ended; waits for that, then kills what it started and left."""
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        self.kill()
        code = self.process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


class _Deadline:
    """Calls `late` once unless the block ends before; `passed` says which of the two it was."""

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        self.passed = False
        self._late, self._over, self._lock = late, False, threading.Lock()
        self._timer = threading.Timer(seconds, self._strike)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._over = True
        self._timer.cancel()

    def _strike(self) -> None:
        with self._lock:
            if not self._over:
                self.passed = True
                self._late()


def main(pipe_number: int) -> None:
    """The worker's side: take one job after the other until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _post_guard(pipe_number)
    os.set_inheritable(
        pipe_number, False
    )  # or a program that the job runs would hold the pipe open
    pipe = Connection(pipe_number)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        memory_bytes, target = pipe.recv()
        try:
            function = pickle.loads(target)
            _limit_memory(memory_bytes)
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
            return
        pipe.send("")
        while True:
            job = pipe.recv_bytes()
            pipe.send_bytes(TAKEN)
            pipe.send_bytes(_answer(function, job, memory_bytes))


def _answer(function: Callable[[Any], Any], job: bytes, memory_bytes: int) -> bytes:
    """(outcome, value, error type, reason), pickled."""
    try:
        return pickle.dumps(("done", function(pickle.loads(job)), "", ""), protocol=5)
    except MemoryError:
        reason = f"it needed more than the {memory_bytes / 2**20:.0f} MiB that a worker may use"
        return pickle.dumps(("out of memory", None, "MemoryError", reason))
    except BaseException as error:  # SystemExit too: a job may not end its worker unheard
        return pickle.dumps(("raised", None, type(error).__name__, str(error)))


def _limit_memory(memory_bytes: int) -> None:
    """Private writable memory (RLIMIT_DATA): files and libraries that are only mapped do not count against it."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no gigabyte behind


def _post_guard(pipe_number: int) -> None:
    """Start the guard, which kills its group (the worker, the ffmpeg it may run, itself) at the end of either line.

    A process and not a thread of the worker: Ray kills the children of an actor and not theirs, so
    that the worker would be gone, its ffmpeg would not, and nobody would be left to end it.
    """
    worker_line, held = os.pipe()  # no program that the worker runs inherits it
    if os.fork() == 0:
        os.close(held)
        os.close(pipe_number)
        select.select([0, worker_line], [], [])
        os.killpg(0, signal.SIGKILL)
    os.close(worker_line)
