"""Functions that the tests run in workers. A worker imports its function by name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def behave(what: str) -> str:
    """Behaves as the job says. An unknown job is returned."""
    if what == "hang":
        time.sleep(1000)
    elif what == "spin":
        while True:
            pass
    elif what == "abort":
        os.abort()
    elif what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "leave":
        os._exit(3)
    elif what == "exit":
        sys.exit("enough")
    elif what == "allocate":
        return str(len(bytearray(8 << 30)))
    elif what == "raise":
        raise ValueError("not this one")
    elif what == "threads":
        return os.environ["OMP_NUM_THREADS"]
    elif what == "unpicklable":
        return lambda: None  # type: ignore[return-value]
    return what


def tell_and_hang(file: Path) -> None:
    """Writes the ids of this process and of its child, then hangs. A file `quick` is skipped."""
    if file.name == "quick":
        return
    tell(file, subprocess.Popen(["sleep", "1000"]).pid)
    time.sleep(1000)


def tell(file: Path, *others: int) -> int:
    aside = file.with_suffix(".part")
    aside.write_text(" ".join(map(str, (os.getpid(), *others))))
    aside.rename(file)
    return os.getpid()


def heavy_modules(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in sys.modules]


def pretend_to_decode(job: object) -> bytes:
    """A second of silence. Also makes a file `NAME.done` beside the clip's video."""
    import numpy as np

    from semanticmac.cache.frame_codec import pack
    from semanticmac.cache.records import RawClip

    job.clip.video.with_suffix(".done").touch()
    return pack(RawClip(None, np.zeros(16_000, np.int16), 1.0), job.sampling)


def fail_to_decode(job: object) -> bytes:
    """Raises the error that the clip of a job of isolation.py is named after."""
    from semanticmac.preprocess.clip import DecodeError

    raise {
        "AssertionError": AssertionError(),
        "KeyError": KeyError("frames"),
        "DecodeError": DecodeError("the file is empty"),
    }[job.clip.clip_id]
