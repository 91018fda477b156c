"""Runs the program repeatedly for the tests, killed at one numbered step of its writing each time.

A line on standard input, `STEP FOLDER WORD …` as JSON, runs `semanticmac WORD …` in FOLDER in a
process of its own, which ends itself by SIGKILL just before that step. The answer, a JSON line, is
its exit status and the steps it took. A step is everything that changes the cache: a file opened,
renamed or removed, a clip put into LMDB, a commit. They are counted, so a moment is the same moment
on any machine. The program is imported once and then forked.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import semanticmac.cache.frame_store as frames
import semanticmac.cache.stream_catalogue as stream_catalogue
import semanticmac.preprocess.encoders.imagebind.encoder  # noqa: F401  heavy, and so before the fork
import semanticmac.preprocess.pipeline as stages
from semanticmac import cli

WATCHED = {"open", "os.rename", "os.remove", "os.utime", "os.mkdir"}
SHARD_BYTES = 3_000  # two clips or three of each stream
WRITE_CLIPS = 3


class Steps:
    """Counts, and kills this process just before step `last`."""

    def __init__(self, last: int) -> None:
        self.taken, self.last = 0, last

    def take(self, *_: object) -> None:
        self.taken += 1
        if self.taken == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, event: str, words: tuple[Any, ...]) -> None:
        """An audit hook (sys.addaudithook): what happens to files of the cache."""
        if (
            event in WATCHED
            and isinstance(words[0], str | os.PathLike)
            and "data/cache" in os.fspath(words[0])
        ):
            self.take()


class Transaction:
    """An LMDB write transaction with a step before every put and before the commit."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self.inner, self.steps = inner, steps

    def __enter__(self) -> "Transaction":
        self.inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.steps.take()
        self.inner.__exit__(*error)
        self.steps.take()

    def put(self, key: bytes, record: bytes) -> None:
        self.steps.take()
        self.inner.put(key, record)


class Environment:
    """An LMDB environment whose write transactions are watched."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self.inner, self.steps = inner, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def begin(self, write: bool = False, **options: Any) -> Any:
        inner = self.inner.begin(write=write, **options)
        return Transaction(inner, self.steps) if write else inner


def run(last: int, folder: str, words: list[str], counted: Path) -> None:
    """The child: never returns."""
    steps = Steps(last)
    lmdb_open = frames.lmdb.open
    frames.lmdb.open = lambda *where, **options: Environment(lmdb_open(*where, **options), steps)
    stages._WRITE_CLIPS = WRITE_CLIPS
    stages._WRITE_S = float("inf")  # The number of steps does not depend on the machine's speed.
    stream_catalogue.EmbeddingWriter = partial(
        stream_catalogue.EmbeddingWriter, shard_bytes=SHARD_BYTES
    )  # type: ignore[misc,assignment]
    os.chdir(folder)
    sys.argv = ["semanticmac", *words]
    sys.addaudithook(steps.watch)
    try:
        cli.main()
    except SystemExit as exit_:
        counted.write_text(str(steps.taken))
        os._exit(int(exit_.code or 0))


def main() -> None:
    for line in sys.stdin:
        last, folder, *words = json.loads(line)
        counted = Path(folder) / "steps"
        counted.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            with (Path(folder) / "said").open("wb") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            run(last, folder, words, counted)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(
            json.dumps([status, int(counted.read_text()) if counted.exists() else None]), flush=True
        )


if __name__ == "__main__":
    main()
