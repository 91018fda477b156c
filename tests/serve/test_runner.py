"""The queue goes on after an error of the disk."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from semanticmac.serve import runner as runner_module
from semanticmac.serve.jobs import Job, JobStore
from semanticmac.serve.runner import Runner
from semanticmac.serve.settings import ServeSettings


class FakeProcess:
    """Every job ends at once."""

    async def run(self, order: dict[str, Any]):
        yield {"kind": "done"}

    async def stop(self) -> None:
        pass


def test_a_job_whose_end_cannot_be_written_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "RETRY_S", 0.01)
    store = JobStore(tmp_path)
    finish, refusals = store.finish, [OSError(errno.ENOSPC, "No space left on device")]

    def finish_on_second_try(job: Job) -> Job:
        if refusals:
            raise refusals.pop()
        return finish(job)

    monkeypatch.setattr(store, "finish", finish_on_second_try)
    catalogue: Any = SimpleNamespace(folders=lambda: {"small": tmp_path})

    async def work(job: Job) -> None:
        runner = Runner(store, catalogue, ServeSettings(tmp_path))
        monkeypatch.setattr(runner, "_process", FakeProcess())
        runner.open()
        async with asyncio.timeout(20):
            while store.get(job.id).state != "done":
                await asyncio.sleep(0.01)
        await runner.close()

    with store.opened():
        job = Job(store.new_id(), "clip.mp4", ".mp4", "small", 4, 1.0)
        upload = store.uploads / job.id
        upload.write_bytes(b"data")
        store.add(job, upload)
        asyncio.run(work(job))
        assert store.get(job.id).attempts == 1
