"""Reads a file from outside in a worker process whose memory and time are limited.

The limits grow with the size of the file. An honest file of any size is read; a small file that
asks for gigabytes or for hours is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.process_pool import Result, run_isolated

Job = TypeVar("Job")
Value = TypeVar("Value")

# The interpreter and its libraries, and small files of many small objects.
BASE_MEMORY_BYTES = 1 << 30
MEMORY_PER_BYTE = 8
BASE_TIME_S = 60.0
# A slow disk reads 20 MB, and one core looks at 8 MB of the smallest opcodes, in a second.
BYTES_PER_S = 1_000_000


def read_isolated(path: Path, function: Callable[[Job], Value], job: Job) -> Value:
    """function(job), computed in a worker process with limits for a file of this size.

    function: of a module; it reads `path` and nothing else of that size. Raises CorpusError if it
    raises one, if it exceeds a limit, and if the worker dies.
    """
    size = path.stat().st_size
    results = run_isolated(
        function,
        [job],
        workers=1,
        timeout_s=BASE_TIME_S + size / BYTES_PER_S,
        memory_bytes=BASE_MEMORY_BYTES + MEMORY_PER_BYTE * size,
    )
    result = next(results)
    if result.outcome == "done":
        return result.value  # type: ignore[return-value]  # None may be the value
    raise CorpusError(_message(path, size, result))


def _message(path: Path, size: int, result: Result[Job, Value]) -> str:
    if result.error_type == CorpusError.__name__:
        return result.reason
    if result.worker_lost:
        return (
            f"{path} is refused, because it cannot be read safely ({result.reason}). It has "
            f"{size:,} bytes, and a file of that size should need far less. Get it again"
        )
    return f"{path} cannot be read ({result.error_type}: {result.reason})"
