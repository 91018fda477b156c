"""The one process that holds the model, as the server sees it: a job in, messages out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

# A message is one line of JSON.
MAX_LINE_BYTES = 1 << 20
MAIN = (
    "import sys; sys.path[:] = {path!r}; "
    "from semanticmac.serve.worker import main; main({options!r})"
)


class ProcessLost(Exception):
    """The model process ended while it worked."""


class ModelProcess:
    """Starts at the first job, and again after it was lost. It ends with the server."""

    def __init__(self, options: dict[str, Any]) -> None:
        """options: of worker.main."""
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, order: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Sends one job and yields its messages; the last one is of the kind `done` or `failed`.

        Raises ProcessLost if the process ends before.
        """
        process = await self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        with suppress(ConnectionError):
            await process.stdin.drain()
        while line := await process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            yield message
            if message["kind"] in ("done", "failed"):
                return
        raise ProcessLost(await self._how_it_ended(process))

    async def stop(self) -> None:
        """Ends the process, whatever it does. The next job starts a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        code = MAIN.format(path=sys.path, options=self._options)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            start_new_session=True,
        )
        return self._process

    async def _how_it_ended(self, process: asyncio.subprocess.Process) -> str:
        code = await process.wait()
        if code < 0:
            return f"the model process was killed by {signal.Signals(-code).name}"
        return f"the model process ended with exit code {code}"
