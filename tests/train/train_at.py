"""Trains again and again, each time to be killed at one counted moment; tests talk to it.

A line on standard input is a job as JSON: the cache, settings, the run's folder, `kill_at`, whether
to resume. It is done in a process of its own, which ends itself by SIGKILL just before that moment.
The answer, a JSON line, is its exit status and the moments that it saw. A moment is every step that
is learnt, and every file of the run that is opened, renamed or removed. The program is imported
once and then forked, before anything in it has begun a thread.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


def run(job: dict[str, Any], counted: int) -> None:
    """The child: never returns. counted: where it writes how many moments it saw."""
    taken = 0

    def moment(*_: object) -> None:
        nonlocal taken
        taken += 1
        if taken == job["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, words: tuple[Any, ...]) -> None:
        if (
            event in WATCHED
            and isinstance(words[0], str | os.PathLike)
            and job["run"] in os.fspath(words[0])
        ):
            moment()

    torch.set_num_threads(1)
    data = open_data(CacheLayout(Path(job["cache"])), "planted")
    config = override(TrainConfig("planted"), job["settings"])
    sys.addaudithook(watch)
    cpu = torch.device("cpu")
    train(
        config,
        data,
        Path(job["run"]),
        cpu,
        Callbacks(progress=moment),
        save_every_s=0.0,
        resume=job["resume"],
    )
    os.write(counted, str(taken).encode())
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        seen, counted = os.pipe()
        child = os.fork()
        if not child:
            try:
                run(json.loads(line), counted)
            finally:
                os._exit(1)
        os.close(counted)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with os.fdopen(seen) as file:
            print(json.dumps([status, int(file.read() or 0)]), flush=True)


if __name__ == "__main__":
    main()
