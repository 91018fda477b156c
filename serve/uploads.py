"""Uploads: a request body goes straight to the disk, as multipart form or as the bare file."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from semanticmac.serve.settings import (
    FREE_BYTES,
    MAX_FIELD_BYTES,
    MAX_PART_HEAD_BYTES,
    SLOW_WINDOW_BYTES,
    ServeSettings,
)

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELDS = ("text", "run", "without", "use")
DISK_FULL = "the disk of the server is full: try again later"
BARE_TYPES = ("application/octet-stream", "video/", "audio/")


class UploadError(Exception):
    """A request that is refused; `status` is its HTTP status and the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Upload:
    """What a request held. The file is complete when the object exists."""

    path: Path
    name: str = ""
    size: int = 0
    fields: dict[str, list[str]] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """The last value of a field; None if it is absent or blank."""
        values = self.fields.get(name, [])
        return values[-1] if values and values[-1].strip() else None


async def receive_upload(request: Request, path: Path, settings: ServeSettings) -> Upload:
    """Writes the recording of a request to `path` and flushes it to the disk.

    Raises UploadError for a body that is too large, too slow, cut off, or of another kind; then no
    file is left.
    """
    _check_length(request, settings)
    _check_disk(path.parent, _declared(request) or 0)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    content_type = kind.decode("latin-1").lower()
    try:
        with path.open("xb") as file:
            if content_type == "multipart/form-data":
                boundary = options.get(b"boundary")
                if not boundary:
                    raise UploadError(400, "the multipart form has no boundary")
                upload = await _receive_form(request, boundary, file, path, settings)
            elif content_type.startswith(BARE_TYPES):
                upload = await _receive_bare(request, file, path, settings)
            else:
                raise UploadError(
                    415,
                    f"the body is {content_type[:80] or 'of no type'}: expected a form "
                    "(multipart/form-data) with the field `file`, or the bare file as video/…, "
                    "audio/… or application/octet-stream",
                )
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return upload


async def _receive_bare(
    request: Request, file: BinaryIO, path: Path, settings: ServeSettings
) -> Upload:
    """The body is the recording; the fields stand in the address."""
    upload = Upload(path, request.query_params.get("name", ""))
    for name in FIELDS:
        upload.fields[name] = request.query_params.getlist(name)
    async for chunk in _body(request, settings):
        upload.size += len(chunk)
        _check_size(upload.size, settings)
        file.write(chunk)
    if not upload.size:
        raise UploadError(400, "the recording is empty")
    return upload


async def _receive_form(
    request: Request, boundary: bytes, file: BinaryIO, path: Path, settings: ServeSettings
) -> Upload:
    form = _Form(Upload(path), file, settings)
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in _body(request, settings):
            parser.write(chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise UploadError(400, f"the form cannot be read: {error}") from None
    if not form.ended:
        raise UploadError(400, "the form was cut off before its end: send it again")
    if not form.files:
        raise UploadError(400, "the form has no file: expected a field `file`")
    if not form.upload.size:
        raise UploadError(400, "the recording is empty")
    return form.upload


class _Form:
    """Receives the parts of a multipart form as they are parsed."""

    def __init__(self, upload: Upload, file: BinaryIO, settings: ServeSettings) -> None:
        self.upload = upload
        self.files = 0
        self.ended = False
        self._file, self._settings = file, settings
        self._header_name, self._header_value = b"", b""
        self._header_bytes = 0  # of all headers of the part
        self._disposition = b""
        self._field: str | None = None  # name of the part; None: it is the file
        self._value = bytearray()
        self._parts = 0

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > 20:
            raise UploadError(400, "the form has more than 20 parts")
        self._disposition, self._value = b"", bytearray()
        self._header_bytes = 0

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_PART_HEAD_BYTES:
            raise UploadError(
                400, f"the headers of a part are longer than {MAX_PART_HEAD_BYTES:,} bytes"
            )

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name, self._header_value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name == "file":
            self.files += 1
            if self.files > 1:
                raise UploadError(400, "the form has several files: send one recording a request")
            self._field = None
            self.upload.name = options.get(b"filename", b"").decode("utf-8", "replace")
        elif name in FIELDS:
            self._field = name
        else:
            expected = ", ".join(("file", *FIELDS))
            raise UploadError(400, f"the form has the field {name[:40]!r}: expected {expected}")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self.upload.size += end - start
            _check_size(self.upload.size, self._settings)
            self._file.write(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > MAX_FIELD_BYTES:
            raise UploadError(
                413, f"the field {self._field} is longer than {MAX_FIELD_BYTES:,} bytes"
            )

    def _end_part(self) -> None:
        if self._field is not None:
            value = self._value.decode("utf-8", "replace")
            self.upload.fields.setdefault(self._field, []).append(value)

    def _end(self) -> None:
        self.ended = True


async def _body(request: Request, settings: ServeSettings) -> AsyncIterator[bytes]:
    """The body piece by piece. Raises UploadError where it comes too slowly or breaks off."""
    window_start, window_bytes, total = time.monotonic(), 0, 0
    stream = request.stream()
    # The limits of the parts hold for the recording; this one also counts what surrounds it.
    limit = settings.max_bytes + len(FIELDS) * MAX_FIELD_BYTES
    slow = UploadError(
        408,
        f"the upload is too slow: fewer than {SLOW_WINDOW_BYTES:,} bytes came in "
        f"{settings.slow_window_s:g} s",
    )
    while True:
        left_s = window_start + settings.slow_window_s - time.monotonic()
        try:
            chunk = await asyncio.wait_for(anext(stream), max(0.01, left_s))
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise slow from None
        except ClientDisconnect:
            raise UploadError(400, "the connection broke before the upload had ended") from None
        total += len(chunk)
        if total > limit:
            raise _too_large(settings)
        window_bytes += len(chunk)
        if time.monotonic() - window_start >= settings.slow_window_s:
            if window_bytes < SLOW_WINDOW_BYTES:
                raise slow
            window_start, window_bytes = time.monotonic(), 0
        if chunk:
            yield chunk


def _declared(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _check_length(request: Request, settings: ServeSettings) -> None:
    declared = _declared(request)
    if declared is not None and declared > settings.max_bytes + len(FIELDS) * MAX_FIELD_BYTES:
        raise _too_large(settings)


def _check_size(size: int, settings: ServeSettings) -> None:
    if size > settings.max_bytes:
        raise _too_large(settings)


def _too_large(settings: ServeSettings) -> UploadError:
    megabytes = settings.max_bytes / (1 << 20)
    return UploadError(413, f"the recording is larger than {megabytes:,.0f} MB: cut or compress it")


def _check_disk(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < FREE_BYTES + size:
        raise UploadError(507, DISK_FULL)
