"""Getting the official ImageBind weights: a download that resumes, and a digest that tells whether the file changed.

No official SHA-256 of imagebind_huge.pth is known to this project, so none is checked at the first
download: the transport (HTTPS) and the server's length are trusted once. The digest computed then
is written beside the file and holds from there on.
"""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from semanticmac.cache.keys import file_digest

IMAGEBIND_URL = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
LICENCE = (
    "The ImageBind weights (Meta AI) are licensed CC BY-NC-SA 4.0: non-commercial use only, with attribution; "
    "see https://creativecommons.org/licenses/by-nc-sa/4.0/. They are no part of SemanticMAC and its licence."
)
# smaller files are hashed in well under a second: nothing is written beside them
RECORDED_FROM_BYTES = 256 * 2**20
_CHUNK_BYTES = 2**20
_TIMEOUT_S = 30.0

Progress = Callable[[int, int], None]  # (bytes here, bytes in all)


class DownloadError(Exception):
    """The weights could not be had; the message names the address and the way around it."""


def download_folder() -> Path:
    """Where downloads are kept: $SEMANTICMAC_HOME, else ~/.cache/semanticmac."""
    return Path(
        os.environ.get("SEMANTICMAC_HOME") or Path.home() / ".cache" / "semanticmac"
    ).expanduser()


def download(url: str, target: Path, progress: Progress | None = None) -> None:
    """Fetches url to target, going on where an earlier try was cut; target appears only when it is whole.

    A connection that breaks is opened again as long as each one brings something. Raises
    DownloadError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    while True:
        before = _size(part)
        total = _fetch(url, part, progress or (lambda here, in_all: None))
        if _size(part) == total:
            break
        if _size(part) > total:
            part.unlink()
            raise DownloadError(
                f"{url} brought more than the {total:,} bytes it announced; run again: it starts anew"
            )
        if _size(part) <= before:
            raise DownloadError(
                f"{url} ended after {_size(part):,} of {total:,} bytes. Run again: it goes on from there. Or fetch the "
                f"file elsewhere and name it: `--encoder FILE`."
            )
    digest = file_digest(part)
    part.replace(target)
    _record(target, digest)


def recorded_digest(path: Path) -> str:
    """SHA-256 of a weight file. A large file is read once and its digest kept in `<file>.sha256` beside it.

    The record is trusted while the file's size and modification time are what they were; otherwise
    the file is read again, and one that changed raises DownloadError. The record is in the form
    `sha256sum --check` reads.
    """
    record = path.with_name(path.name + ".sha256")
    if not record.exists():
        digest = file_digest(path)
        if path.stat().st_size >= RECORDED_FROM_BYTES:
            _record(path, digest)
        return digest
    known, _, rest = record.read_text().partition("  ")
    if rest.splitlines()[1:] == [_stamp(path)]:
        return known
    digest = file_digest(path)
    if digest != known:
        raise DownloadError(
            f"{path} changed since its SHA-256 was recorded in {record.name}: it is {digest}, was {known}. If you "
            f"replaced it, delete {record.name}; if not, delete both and download again."
        )
    _record(path, digest)
    return digest


def _fetch(url: str, part: Path, progress: Progress) -> int:
    """Appends to part what one connection brings; returns the whole file's length as the server states it."""
    here = _size(part)
    try:
        answer = _connect(url, here)
    except (
        urllib.error.HTTPError
    ) as beyond:  # nothing comes after what we have: it is whole, or of another file
        if beyond.headers.get("Content-Range") == f"bytes */{here}":
            return here
        part.unlink()
        return _fetch(url, part, progress)
    with answer:
        length = answer.headers["Content-Length"]
        if length is None:
            raise DownloadError(
                f"{url} does not state its length: a cut download would look whole. Use `--encoder FILE`"
            )
        if answer.status != 206:  # the server does not resume: this is the file from its beginning
            here = 0
        total = here + int(length)
        free = shutil.disk_usage(part.parent).free
        if free < int(length):
            raise DownloadError(
                f"{part.parent} has {free:,} bytes free; {int(length):,} are still to come from {url}"
            )
        with part.open("ab" if here else "wb") as file:
            for chunk in _chunks(answer):
                here += file.write(chunk)
                progress(here, total)
            file.flush()
            os.fsync(file.fileno())
    return total


def _connect(url: str, start: int) -> http.client.HTTPResponse:
    """The answer from byte `start` on: status 206, or 200 where the server cannot resume.

    Raises HTTPError for 416.
    """
    headers = {"User-Agent": "semanticmac", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        return answer
    except (OSError, http.client.HTTPException) as error:  # URLError and HTTPError are OSErrors
        if start and isinstance(error, urllib.error.HTTPError) and error.code == 416:
            raise
        raise DownloadError(
            f"cannot reach {url} ({getattr(error, 'reason', error)}). Check the network, or fetch the file elsewhere "
            f"and name it: `--encoder FILE`. What has arrived ({start:,} bytes) is kept."
        ) from error


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """What the connection brings until it ends or breaks; the caller sees by the length which it was."""
    try:
        while chunk := answer.read(_CHUNK_BYTES):
            yield chunk
    except (OSError, http.client.HTTPException):
        return


def _record(path: Path, digest: str) -> None:
    record = path.with_name(path.name + ".sha256")
    aside = record.with_name(record.name + ".part")
    try:
        aside.write_text(f"{digest}  {path.name}\n{_stamp(path)}\n")
        aside.replace(record)
    except OSError:  # a read-only folder: the digest is computed again next time
        aside.unlink(missing_ok=True)


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"# {stat.st_size} bytes, modified {stat.st_mtime_ns} ns"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
