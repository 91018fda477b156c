"""The program of a worker process: it runs jobs that process_pool.py sends, one after the other."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

# A worker sends this when it has received a job. If it dies later, the job may be to blame.
RECEIVED = b"received"


def main(pipe_number: int) -> None:
    """The program of a worker: runs one job after the other until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _start_guard(pipe_number)
    # Otherwise a program that a job runs would hold the pipe open.
    os.set_inheritable(pipe_number, False)
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
            pipe.send_bytes(RECEIVED)
            pipe.send_bytes(_answer(function, job, memory_bytes))


def _answer(function: Callable[[Any], Any], job: bytes, memory_bytes: int) -> bytes:
    """Runs a job. Returns (outcome, value, error type, reason), pickled."""
    try:
        return pickle.dumps(("done", function(pickle.loads(job)), "", ""), protocol=5)
    except MemoryError:
        reason = f"it needed more than the {memory_bytes / 2**20:.0f} MiB that a worker may use"
        return pickle.dumps(("out of memory", None, "MemoryError", reason))
    except BaseException as error:  # SystemExit too: a job must not end its worker silently.
        return pickle.dumps(("raised", None, type(error).__name__, str(error)))


def _limit_memory(memory_bytes: int) -> None:
    """Limits private writable memory (RLIMIT_DATA). Mapped files and libraries do not count."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # A crash leaves no large core file.


def _start_guard(pipe_number: int) -> None:
    """Starts the guard. It kills its process group when the worker or the parent ends.

    The group holds the worker, an ffmpeg that it may run, and the guard. The guard is a process
    and not a thread of the worker: Ray kills the children of an actor but not their children, so
    nothing would be left to end ffmpeg.
    """
    worker_end, held_end = os.pipe()  # Programs that the worker runs do not inherit it.
    if os.fork() == 0:
        os.close(held_end)
        os.close(pipe_number)
        select.select([0, worker_end], [], [])
        os.killpg(0, signal.SIGKILL)
    os.close(worker_end)
