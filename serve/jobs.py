"""Jobs: one uploaded recording each, kept in a folder of its own so that they outlive the server.

DATA/jobs/ID/job.json       the record, written completely or not at all
DATA/jobs/ID/media.SUFFIX   the recording
DATA/jobs/ID/timeline.json  the result
DATA/jobs/ID/copy.mp4       a small copy, if no browser can play the recording
DATA/uploads/ID             an upload that has not ended; it is removed at the next start
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from semanticmac.cache.atomic_io import remove_partial_files, write_text
from semanticmac.cache.file_locks import try_lock, writable
from semanticmac.preprocess.corpora.folder import MEDIA_SUFFIXES
from semanticmac.serve.settings import MAX_ATTEMPTS, ServeError

State = Literal["waiting", "running", "done", "failed"]
ENDED = ("done", "failed")
_ID = re.compile(r"[0-9a-f]{32}")
_NAME_CHARACTERS = 120
# How a browser may play an upload: of any other a small copy is made.
PLAYABLE = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm",
    ".ogv": "video/ogg", ".mp3": "audio/mpeg", ".wav": "audio/wav", ".m4a": "audio/mp4",
    ".aac": "audio/aac", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg",
    ".flac": "audio/flac", ".weba": "audio/webm",
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One recording and the state of its prediction."""

    id: str
    name: str  # of the client's file, for people; it is never a path
    suffix: str  # one of MEDIA_SUFFIXES, or empty
    run: str  # name of the run
    size: int  # bytes
    created: float  # seconds since 1970
    text: str | None = None  # transcript; None: not given
    without: tuple[str, ...] = ()  # modalities to leave out
    state: State = "waiting"
    attempts: int = 0
    ended: float | None = None
    reason: str = ""  # why it failed


class JobStore:
    """The jobs of one server, in memory and on disk. Only one process may open a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uploads = root / "uploads"
        self._folder = root / "jobs"
        self._jobs: dict[str, Job] = {}

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Locks the folder and reads its jobs. Those that were running wait again.

        Raises ServeError if another server uses the folder or it cannot be written.
        """
        with writable(self.root, ServeError, "--data"):
            for folder in (self.uploads, self._folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.root / ".lock").open("a")
        with lock:
            if not try_lock(lock):
                raise ServeError(
                    f"another server uses {self.root}: stop it, or give --data another folder"
                )
            remove_partial_files(self.root)
            for upload in self.uploads.iterdir():
                upload.unlink()
            self._read()
            yield

    def _read(self) -> None:
        for folder in sorted(self._folder.iterdir()):
            job = _read_job(folder)
            if job is None:
                # The server was killed before the upload had ended or while it deleted the job.
                shutil.rmtree(folder)
                continue
            self._jobs[job.id] = job
            if job.state == "running":
                self.retry(job, "the server stopped while it worked on this recording")

    def new_id(self) -> str:
        """An id that nobody can guess: whoever knows it may read the result."""
        return secrets.token_hex(16)

    def add(self, job: Job, upload: Path) -> None:
        """Keeps an upload that has ended. When this returns, the job outlives a kill.

        Raises OSError if the record cannot be written; then nothing of the job is left.
        """
        folder = self._folder / job.id
        folder.mkdir(mode=0o700)
        try:
            upload.rename(self.media(job))
            self._write(job)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def waiting(self) -> list[Job]:
        """The jobs that wait, in the order in which they came."""
        return sorted(self._in_state("waiting"), key=lambda job: job.created)

    def position(self, job: Job) -> int:
        """How many jobs come before a waiting one."""
        earlier = sum(other.created < job.created for other in self._in_state("waiting"))
        return earlier + len(self._in_state("running"))

    def _in_state(self, state: State) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == state]

    def start(self, job: Job) -> Job:
        started = replace(job, state="running", attempts=job.attempts + 1)
        return self._write(started)

    def finish(self, job: Job) -> Job:
        return self._write(replace(job, state="done", ended=time.time()))

    def fail(self, job: Job, reason: str) -> Job:
        return self._write(replace(job, state="failed", ended=time.time(), reason=reason))

    def retry(self, job: Job, reason: str) -> Job:
        """Lets a job wait again, unless it was tried often enough."""
        if job.attempts >= MAX_ATTEMPTS:
            return self.fail(job, f"{reason}, {job.attempts} times in a row; it is not tried again")
        return self._write(replace(job, state="waiting"))

    def release(self, job: Job) -> Job:
        """Lets a job wait again that was stopped on purpose; this attempt does not count."""
        return self._write(replace(job, state="waiting", attempts=max(0, job.attempts - 1)))

    def wait_again(self, job_id: str) -> None:
        """Lets a job wait again whose record cannot be written; this attempt does not count."""
        job = self._jobs.get(job_id)
        if job is not None and job.state == "running":
            self._jobs[job_id] = replace(job, state="waiting", attempts=job.attempts - 1)

    def delete(self, job: Job) -> None:
        """Removes the recording, the result and the record."""
        del self._jobs[job.id]
        folder = self._folder / job.id
        # The record is first: a folder without one is removed at the next start.
        (folder / "job.json").unlink(missing_ok=True)
        shutil.rmtree(folder)

    def delete_ended_before(self, limit: float) -> list[Job]:
        """Removes the jobs that ended before a time in seconds since 1970."""
        old = [job for job in self._jobs.values() if job.ended is not None and job.ended < limit]
        for job in old:
            self.delete(job)
        return old

    def media(self, job: Job) -> Path:
        return self._folder / job.id / f"media{job.suffix}"

    def copy(self, job: Job) -> Path:
        """The small copy for a browser that cannot play the recording."""
        return self._folder / job.id / "copy.mp4"

    def timeline(self, job: Job) -> Path:
        return self._folder / job.id / "timeline.json"

    def _write(self, job: Job) -> Job:
        write_text(self._folder / job.id / "job.json", json.dumps(asdict(job)))
        self._jobs[job.id] = job
        return job


def _read_job(folder: Path) -> Job | None:
    """The record of a folder; None where there is none."""
    path = folder / "job.json"
    if not _ID.fullmatch(folder.name) or not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Job(**{**fields, "without": tuple(fields["without"])})


def display_name(raw: str) -> str:
    """The name of a client's file for people: no folder, no control or direction character."""
    name = raw.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(character for character in name if character.isprintable())
    return printable.strip()[:_NAME_CHARACTERS] or "recording"


def known_suffix(name: str) -> str:
    """The suffix of a media file, in lower case; empty for any other."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in MEDIA_SUFFIXES else ""
