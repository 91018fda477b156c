"""Download of the official ImageBind weights. It resumes, and records a checksum of the file.

No official SHA-256 of imagebind_huge.pth is known to this project. The first download therefore
trusts HTTPS and the length that the server states. Its SHA-256 is written beside the file, and the
file is checked against that record from then on.
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
    "The ImageBind weights (Meta AI) are licensed CC BY-NC-SA 4.0: non-commercial use only, with "
    "attribution; see https://creativecommons.org/licenses/by-nc-sa/4.0/. They are no part of "
    "SemanticMAC and its licence."
)
# Smaller files are hashed in well under a second, so their checksums are not recorded.
RECORDED_FROM_BYTES = 256 * 2**20
_CHUNK_BYTES = 2**20
_TIMEOUT_S = 30.0

# Reports the progress of a download: bytes done, bytes in total.
DownloadProgressFn = Callable[[int, int], None]


class DownloadError(Exception):
    """The download failed; the message names the address and an alternative."""


def download_folder() -> Path:
    """The folder of all downloads: $SEMANTICMAC_HOME, else ~/.cache/semanticmac."""
    default = Path.home() / ".cache" / "semanticmac"
    return Path(os.environ.get("SEMANTICMAC_HOME") or default).expanduser()


def download(url: str, target: Path, progress: DownloadProgressFn | None = None) -> None:
    """Downloads url to target, and resumes an interrupted download.

    The target appears only when it is complete. A broken connection is opened again as long as each
    connection brings some bytes. Raises DownloadError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    while True:
        before = _size(part)
        total = _fetch(url, part, progress or _no_progress)
        size = _size(part)
        if size == total:
            break
        if size > total:
            part.unlink()
            raise DownloadError(
                f"{url} brought more than the {total:,} bytes it announced; run again: it starts "
                "from the beginning"
            )
        if size <= before:
            raise DownloadError(
                f"{url} ended after {size:,} of {total:,} bytes. Run again: it resumes there. Or "
                "download the file in another way and name it: `--encoder FILE`."
            )
    digest = file_digest(part)
    part.replace(target)
    _record(target, digest)


def _no_progress(done: int, total: int) -> None:
    pass


def recorded_digest(path: Path) -> str:
    """SHA-256 of a weight file. That of a large file is recorded beside it, in `<file>.sha256`.

    The record is valid while the size and the modification time of the file stay the same.
    Otherwise the file is read again. `sha256sum --check` can read the record. Raises DownloadError
    if the content of the file has changed.
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
            f"{path} changed since its SHA-256 was recorded in {record.name}: it is {digest}, was "
            f"{known}. If you replaced the file, delete {record.name}. If you did not, delete both "
            "and download again."
        )
    _record(path, digest)
    return digest


def _fetch(url: str, part: Path, progress: DownloadProgressFn) -> int:
    """Appends the bytes of one connection to part; returns the length of the whole file."""
    done = _size(part)
    try:
        response = _connect(url, done)
    except urllib.error.HTTPError as error:
        # 416: the server has no bytes after ours. Either the part is complete, or it belongs to
        # another file.
        if error.headers.get("Content-Range") == f"bytes */{done}":
            return done
        part.unlink()
        return _fetch(url, part, progress)

    with response:
        length = response.headers["Content-Length"]
        if length is None:
            raise DownloadError(
                f"{url} does not state its length, so that an interrupted download would look "
                "complete. Use `--encoder FILE`"
            )
        if response.status != 206:  # The server cannot resume and sends the file from its start.
            done = 0
        total = done + int(length)
        free = shutil.disk_usage(part.parent).free
        if free < int(length):
            raise DownloadError(
                f"{part.parent} has {free:,} bytes free; {int(length):,} are still to come "
                f"from {url}"
            )
        with part.open("ab" if done else "wb") as file:
            for chunk in _chunks(response):
                done += file.write(chunk)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    return total


def _connect(url: str, start: int) -> http.client.HTTPResponse:
    """The response from byte `start` on: status 206, or 200 if the server cannot resume.

    Raises HTTPError for 416, DownloadError for anything else.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "semanticmac"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        return response
    except (OSError, http.client.HTTPException) as error:  # URLError and HTTPError are OSErrors.
        if start and isinstance(error, urllib.error.HTTPError) and error.code == 416:
            raise
        raise DownloadError(
            f"cannot reach {url} ({getattr(error, 'reason', error)}). Check the network, or "
            "download the file in another way and name it: `--encoder FILE`. The part that has "
            f"arrived ({start:,} bytes) is kept."
        ) from error


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The bytes of the connection until it ends or breaks; only the length tells which it was."""
    try:
        while chunk := response.read(_CHUNK_BYTES):
            yield chunk
    except (OSError, http.client.HTTPException):
        return


def _record(path: Path, digest: str) -> None:
    record = path.with_name(path.name + ".sha256")
    aside = record.with_name(record.name + ".part")
    try:
        aside.write_text(f"{digest}  {path.name}\n{_stamp(path)}\n")
        aside.replace(record)
    except OSError:  # A read-only folder: the digest is computed again next time.
        aside.unlink(missing_ok=True)


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"# {stat.st_size} bytes, modified {stat.st_mtime_ns} ns"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
