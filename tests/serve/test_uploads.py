"""Uploads go to the disk whole or not at all; every refusal is a sentence."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from support.serving import BOUNDARY, form

from semanticmac.serve.server import Server
from semanticmac.serve.settings import MAX_FIELD_BYTES, ServeSettings
from semanticmac.serve.uploads import Upload, UploadError, receive_upload

FORM = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    return ServeSettings(tmp_path, max_bytes=5_000)


def receive(
    settings: ServeSettings,
    chunks: Sequence[bytes],
    kind: str = FORM,
    query: str = "",
    ends: bool = True,
    length: int | None = None,
    delay_s: float = 0.0,
) -> Upload:
    """Receives a body that comes in these pieces."""
    waiting: list[Any] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    if ends:
        waiting.append({"type": "http.request", "body": b"", "more_body": False})
    else:
        waiting.append({"type": "http.disconnect"})

    async def give() -> Any:
        await asyncio.sleep(delay_s)
        return waiting.pop(0)

    headers = [(b"content-type", kind.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": query.encode(),
        "headers": headers,
    }
    return asyncio.run(receive_upload(Request(scope, give), settings.data / "upload", settings))


def refused(settings: ServeSettings, status: int, *arguments: Any, **named: Any) -> str:
    """The sentence of a refusal. No file may be left."""
    with pytest.raises(UploadError) as raised:
        receive(settings, *arguments, **named)
    assert raised.value.status == status, raised.value
    assert not list(settings.data.iterdir())
    return str(raised.value)


@pytest.mark.parametrize("piece", [1, 7, 100, 10_000])
def test_a_form_in_pieces_of_any_size(settings, piece):
    content = bytes(range(256)) * 4 + f"\r\n--{BOUNDARY[:-1]}".encode() + b"\r\n"
    _, body = form(content, "clip.mp4", text="Grüße", run="small")
    upload = receive(settings, [body[i : i + piece] for i in range(0, len(body), piece)])
    assert upload.path.read_bytes() == content and upload.size == len(content)
    assert upload.name == "clip.mp4"
    assert upload.value("text") == "Grüße" and upload.value("run") == "small"
    assert upload.value("without") is None


def test_a_bare_body_has_its_fields_in_the_address(settings):
    upload = receive(settings, [b"ab", b"cd"], "audio/wav", "name=note.wav&text=hi%20there")
    assert upload.path.read_bytes() == b"abcd"
    assert upload.name == "note.wav" and upload.value("text") == "hi there"


def test_a_form_that_is_cut_off_is_refused(settings):
    _, body = form(b"x" * 1000, "clip.mp4")
    assert "cut off" in refused(settings, 400, [body[:-10]])
    assert "cut off" in refused(settings, 400, [body[:500]])
    assert "connection broke" in refused(settings, 400, [body[:500]], ends=False)


def test_a_body_that_is_too_large_is_refused(settings):
    _, body = form(b"x" * 6000, "clip.mp4")
    assert "larger than" in refused(settings, 413, [body])
    assert "larger than" in refused(settings, 413, [b"x" * 6000], "video/mp4")
    assert "larger than" in refused(settings, 413, [], length=10**12)
    # What surrounds the file counts too.
    epilogue = [b"x" * 100_000] * 20
    assert "larger than" in refused(settings, 413, [form(b"x", "clip.mp4")[1], *epilogue])


def test_a_field_that_is_too_long_is_refused(settings):
    _, body = form(b"x", "clip.mp4", text="t" * (MAX_FIELD_BYTES + 1))
    assert "the field text is longer" in refused(settings, 413, [body])


def test_what_is_no_form_with_one_file_is_refused(settings):
    _, body = form(b"x", "clip.mp4", other="1")
    assert "the field 'other'" in refused(settings, 400, [body])
    end = f"--{BOUNDARY}--\r\n".encode()
    _, one = form(b"x", "clip.mp4")
    two = one.removesuffix(end) + one
    assert "several files" in refused(settings, 400, [two])
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="text"\r\n\r\nhi\r\n'.encode()
    assert "has no file" in refused(settings, 400, [head + end])
    assert "more than 20 parts" in refused(settings, 400, [head * 30 + one])
    assert "empty" in refused(settings, 400, [form(b"", "clip.mp4")[1]])
    assert "empty" in refused(settings, 400, [], "video/mp4")
    assert "cannot be read" in refused(settings, 400, [b"no form at all" * 10])
    assert "no boundary" in refused(settings, 400, [one], "multipart/form-data")


@pytest.mark.parametrize("kind", ["application/json", "text/html", "", "x" * 5000])
def test_other_bodies_are_refused(settings, kind):
    sentence = refused(settings, 415, [b"{}"], kind)
    assert "expected a form" in sentence and len(sentence) < 400


def test_headers_of_a_part_are_limited(settings):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; x="{"y" * 20_000}"\r\n'
    assert "cannot be read" in refused(settings, 400, [head.encode()])
    many = "".join(f"X-{number}: 1\r\n" for number in range(100))
    assert "cannot be read" in refused(settings, 400, [f"--{BOUNDARY}\r\n{many}\r\n".encode()])
    long = "".join(f"X-{number}: {'y' * 3_000}\r\n" for number in range(4))
    sentence = refused(settings, 400, [f"--{BOUNDARY}\r\n{long}\r\n".encode()])
    assert sentence == "the headers of a part are longer than 8,192 bytes"


def test_a_slow_upload_is_closed(settings):
    slow = replace(settings, slow_window_s=0.2)
    _, body = form(b"x" * 1000, "clip.mp4")
    pieces = [body[i : i + 10] for i in range(0, len(body), 10)]
    assert "too slow" in refused(slow, 408, pieces, delay_s=0.05)
    assert "too slow" in refused(slow, 408, pieces, delay_s=5.0)


def test_a_full_disk_is_said(settings, monkeypatch):
    monkeypatch.setattr("semanticmac.serve.uploads.FREE_BYTES", 1 << 60)
    assert "disk of the server is full" in refused(settings, 507, [b"x"], "video/mp4")


def test_a_disk_that_fills_during_an_upload_is_said(settings, monkeypatch):
    server = Server(settings)

    async def fills(*arguments: Any) -> Upload:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("semanticmac.serve.server.receive_upload", fills)
    with pytest.raises(UploadError, match="disk of the server is full") as raised:
        asyncio.run(server.accept(Request({"type": "http", "headers": []})))
    assert raised.value.status == 507 and server.uploads == 0


def test_the_name_of_a_file_is_no_path(settings):
    _, body = form(b"x", "../../../../tmp/evil.mp4")
    upload = receive(settings, [body])
    assert upload.path == settings.data / "upload" and [*settings.data.iterdir()] == [upload.path]
