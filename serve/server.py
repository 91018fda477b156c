"""What all routes share: the jobs, the queue, the limits on uploads."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

from semanticmac.core import MODALITIES
from semanticmac.eval.timeline import Timeline
from semanticmac.serve.catalogue import Catalogue, Model
from semanticmac.serve.guard import client_address
from semanticmac.serve.jobs import PLAYABLE, Job, JobStore, display_name, known_suffix
from semanticmac.serve.limits import RateLimit
from semanticmac.serve.runner import Runner
from semanticmac.serve.settings import MAX_UPLOADS, ServeSettings
from semanticmac.serve.uploads import DISK_FULL, Upload, UploadError, receive_upload


@dataclass(frozen=True)
class JobStatus:
    """The state of a job, as clients see it."""

    id: str
    name: str
    run: str
    state: str  # waiting, running, done or failed
    position: int  # jobs before it; 0 unless it waits
    stage: str  # what is being done now
    done: int
    total: int
    reason: str  # why it failed
    deleted_at: float | None  # seconds since 1970; None until the job has ended


class Server:
    """Everything that the routes share."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings)
        self.store = JobStore(settings.data)
        self.runner = Runner(self.store, self.catalogue, settings)
        self.rate = RateLimit(settings.uploads_per_minute)
        self.uploads = 0
        self.streams = 0

    def job(self, job_id: str) -> Job:
        """Raises HTTPException for an unknown job."""
        job = self.store.get(job_id)
        if job is None:
            raise HTTPException(404, "there is no such job: it was deleted, or never existed")
        return job

    def finished(self, job_id: str) -> tuple[Job, Timeline]:
        """Raises HTTPException for a job without a result."""
        job = self.job(job_id)
        if job.state == "failed":
            raise HTTPException(409, f"the job failed: {job.reason}")
        if job.state != "done":
            raise HTTPException(409, "the job has no result yet")
        text = self.store.timeline(job).read_text(encoding="utf-8")
        return job, Timeline.from_json(text)

    def status(self, job: Job) -> JobStatus:
        progress = self.runner.progress(job)
        deleted_at = None
        if job.ended is not None:
            deleted_at = job.ended + self.settings.keep_hours * 3600
        return JobStatus(
            job.id,
            job.name,
            job.run,
            job.state,
            self.store.position(job) if job.state == "waiting" else 0,
            progress.stage,
            progress.done,
            progress.total,
            job.reason,
            deleted_at,
        )

    def player(self, job: Job) -> tuple[Path, str] | None:
        """The file that a browser can play and its type: the recording, or a small copy of it."""
        if job.suffix in PLAYABLE:
            return self.store.media(job), PLAYABLE[job.suffix]
        copy = self.store.copy(job)
        return (copy, PLAYABLE[copy.suffix]) if copy.exists() else None

    async def accept(self, request: Request) -> Job:
        """Takes an upload into the queue. Raises UploadError."""
        address = client_address(request.scope)
        wait_s = self.rate.wait_s(address)
        if wait_s:
            raise UploadError(429, f"too many uploads: wait {wait_s:.0f} s")
        if len(self.store.waiting()) + self.uploads >= self.settings.max_waiting:
            raise UploadError(503, "the queue is full: try again in a minute")
        if self.uploads >= MAX_UPLOADS:
            raise UploadError(503, "too many uploads at once: try again in a minute")
        self.rate.add(address)
        self.uploads += 1
        try:
            job_id = self.store.new_id()
            path = self.store.uploads / job_id
            upload = await receive_upload(request, path, self.settings)
            try:
                job = self._new_job(job_id, upload)
                self.store.add(job, path)
            finally:
                path.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UploadError(507, DISK_FULL) from None
        finally:
            self.uploads -= 1
        await self.runner.notify()
        return job

    def _new_job(self, job_id: str, upload: Upload) -> Job:
        model = self.catalogue.find(upload.value("run"))
        if model is None:
            names = ", ".join(model.name for model in self.catalogue.models())
            raise UploadError(422, f"there is no run {upload.value('run')!r}: expected {names}")
        name = display_name(upload.name)
        return Job(
            job_id,
            name,
            known_suffix(name),
            model.name,
            upload.size,
            time.time(),
            upload.value("text"),
            _left_out(upload, model),
        )


def _left_out(upload: Upload, model: Model) -> tuple[str, ...]:
    """The modalities to leave out: those in `without`, or those that `use` does not name."""
    without: set[str] = set()
    for value in upload.fields.get("without", []):
        without.update(map(str.strip, value.split(",")))
    used = set(map(str.strip, upload.fields.get("use", [])))
    for names in (without, used):
        names.discard("")
    for name in sorted(without | used):
        if name not in MODALITIES:
            expected = ", ".join(MODALITIES)
            raise UploadError(422, f"there is no modality {name[:40]!r}: expected {expected}")
    if used:
        without.update(name for name in model.modalities if name not in used)
    left_out = tuple(name for name in model.modalities if name in without)
    if left_out == model.modalities:
        raise UploadError(422, "every modality is left out: use one at least")
    return left_out
