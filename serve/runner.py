"""Runner: takes the jobs that wait, one after the other, and lets clients follow them."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from semanticmac.serve.catalogue import Catalogue
from semanticmac.serve.jobs import PLAYABLE, Job, JobStore
from semanticmac.serve.model_process import ModelProcess, ProcessLost
from semanticmac.serve.settings import ServeSettings

CLEANING_S = 60.0
RETRY_S = 5.0  # before a job is tried again whose state could not be written
log = logging.getLogger("semanticmac.serve")


@dataclass(frozen=True)
class Progress:
    """How far the running job is."""

    stage: str = ""
    done: int = 0
    total: int = 0


class Runner:
    """The queue of a server."""

    def __init__(self, store: JobStore, catalogue: Catalogue, settings: ServeSettings) -> None:
        self._store, self._catalogue, self._settings = store, catalogue, settings
        self._process = ModelProcess(
            {
                "device": settings.device,
                "recogniser": settings.recogniser,
                "max_seconds": settings.max_seconds,
            }
        )
        self._progress: dict[str, Progress] = {}
        self._changed = asyncio.Condition()
        self.version = 0  # grows with every change of a job
        self._tasks: list[asyncio.Task[None]] = []
        self._cancelled: set[str] = set()
        self._running: Job | None = None

    def open(self) -> None:
        """Begins to work."""
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._clean())]

    async def close(self) -> None:
        """Stops at once. The running job waits for the next start of the server."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._process.stop()
        if self._running is not None and self._store.get(self._running.id) is not None:
            self._store.release(self._running)
        self._running = None

    async def notify(self) -> None:
        """Wakes everybody who waits for a change."""
        async with self._changed:
            self.version += 1
            self._changed.notify_all()

    async def wait_for_change(self, version: int, timeout_s: float) -> None:
        """Returns when a job has changed since `version`, or when the time is over."""

        def is_newer() -> bool:
            return self.version > version

        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(is_newer)

    def progress(self, job: Job) -> Progress:
        return self._progress.get(job.id, Progress())

    async def delete(self, job: Job) -> None:
        """Removes a job; a running one is stopped."""
        running = self._running is not None and self._running.id == job.id
        self._store.delete(job)
        if running:
            self._cancelled.add(job.id)
            await self._process.stop()
        await self.notify()

    async def _work(self) -> None:
        while True:
            version = self.version
            waiting = self._store.waiting()
            if not waiting:
                await self.wait_for_change(version, CLEANING_S)
                continue
            try:
                await self._run(waiting[0])
            except OSError as error:
                # The disk is full, for example: the job stays in the queue.
                log.error("the state of a job cannot be written: %s", error)
                self._store.wait_again(waiting[0].id)
                await self.notify()
                await asyncio.sleep(RETRY_S)

    async def _run(self, job: Job) -> None:
        folder = self._catalogue.folders().get(job.run)
        if folder is None:
            self._store.fail(job, f"the model {job.run} is no longer here")
            await self.notify()
            return
        job = self._running = self._store.start(job)
        await self.notify()
        try:
            await self._predict(job, str(folder))
        except ProcessLost as error:
            if job.id not in self._cancelled:
                log.warning("job %s: %s", job.id, error)
                self._store.retry(job, str(error))
        except OSError:
            self._running = None
            raise
        finally:
            self._cancelled.discard(job.id)
            self._progress.pop(job.id, None)
        self._running = None
        await self.notify()

    async def _predict(self, job: Job, folder: str) -> None:
        order: dict[str, Any] = {
            "run": folder,
            "media": str(self._store.media(job).absolute()),
            "timeline": str(self._store.timeline(job).absolute()),
            "copy": None if job.suffix in PLAYABLE else str(self._store.copy(job).absolute()),
            "name": job.name,
            "text": job.text,
            "without": list(job.without),
        }
        async for message in self._process.run(order):
            if message["kind"] == "progress":
                self._progress[job.id] = Progress(
                    message["stage"], message["done"], message["total"]
                )
            elif job.id in self._cancelled:
                return
            elif message["kind"] == "done":
                self._store.finish(job)
            elif message["kind"] == "failed":
                self._store.fail(job, message["reason"])
            await self.notify()

    async def _clean(self) -> None:
        """Deletes old jobs."""
        while True:
            try:
                limit = time.time() - self._settings.keep_hours * 3600
                if self._store.delete_ended_before(limit):
                    await self.notify()
            except OSError as error:
                log.error("an old job cannot be deleted: %s", error)
            await asyncio.sleep(CLEANING_S)
