"""Downloads from a server that cuts, sends wrong bytes or cannot resume; the checksum record."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from semanticmac.preprocess.encoders.imagebind import download as module
from semanticmac.preprocess.encoders.imagebind.download import (
    DownloadError,
    download,
    download_folder,
    recorded_digest,
)

CONTENT = bytes(range(256)) * 4000  # 1 MB, in which every offset is recognisable


class Server(ThreadingHTTPServer):
    resumes = True  # honours Range
    states_length = True
    cuts: list[int]  # bytes that each next answer brings before its connection breaks
    ranges: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        start = int(asked[len("bytes=") : -1]) if asked and self.server.resumes else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if self.server.states_length:
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = start + self.server.cuts.pop(0) if self.server.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    server.cuts, server.ranges = [], []
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    yield server
    server.shutdown()
    server.server_close()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/weights.pth"


def test_a_whole_download(server: Server, tmp_path: Path) -> None:
    target, seen = tmp_path / "new" / "weights.pth", []
    download(url(server), target, lambda here, total: seen.append((here, total)))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (
        (tmp_path / "new" / "weights.pth.sha256")
        .read_text()
        .startswith(f"{digest}  weights.pth\n# {len(CONTENT)} ")
    )
    assert sorted(path.name for path in target.parent.iterdir()) == [
        "weights.pth",
        "weights.pth.sha256",
    ]


def test_a_cut_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 1]
    download(url(server), tmp_path / "weights.pth")
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=100001-"]


def test_an_earlier_part_is_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:5000])
    download(url(server), tmp_path / "weights.pth")
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT
    assert server.ranges == ["bytes=5000-"]


def test_a_part_that_is_whole_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT)
    download(url(server), tmp_path / "weights.pth")
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_part_longer_than_the_file_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT + b"more")
    download(url(server), tmp_path / "weights.pth")
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_it_all(server: Server, tmp_path: Path) -> None:
    server.resumes = False
    (tmp_path / "weights.pth.part").write_bytes(b"x" * 5000)
    download(url(server), tmp_path / "weights.pth")
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_a_wrong_length_is_refused_and_leaves_no_file(server: Server, tmp_path: Path) -> None:
    server.resumes = False
    server.cuts = [5000, 5000]
    with pytest.raises(
        DownloadError, match=r"ended after 5,000 of 1,024,000 bytes.*Run again.*--encoder FILE"
    ):
        download(url(server), tmp_path / "weights.pth")
    assert not (tmp_path / "weights.pth").exists()


def test_an_unstated_length_is_refused(server: Server, tmp_path: Path) -> None:
    server.states_length = False
    with pytest.raises(DownloadError, match="does not state its length"):
        download(url(server), tmp_path / "weights.pth")


def test_a_full_disk_is_told_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(DownloadError, match="has 10 bytes free; 1,024,000 are still to come"):
        download(url(server), tmp_path / "weights.pth")


def test_no_network_names_the_address_and_the_way_around(server: Server, tmp_path: Path) -> None:
    address = url(server)
    server.shutdown()
    server.server_close()
    (tmp_path / "weights.pth.part").write_bytes(b"x" * 7)
    with pytest.raises(
        DownloadError, match=rf"cannot reach {address} .*`--encoder FILE`.*7 bytes\) is kept"
    ):
        download(address, tmp_path / "weights.pth")


def test_a_large_file_is_read_once_and_its_change_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORDED_FROM_BYTES", 1)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"first")
    digest = recorded_digest(path)
    assert digest == hashlib.sha256(b"first").hexdigest()

    with monkeypatch.context() as patch:
        patch.setattr(
            module, "file_digest", lambda path: pytest.fail("read again although nothing changed")
        )
        assert recorded_digest(path) == digest
    os.utime(path, ns=(1, 1))  # another time, the same content: read again, and recorded anew
    assert recorded_digest(path) == digest
    with monkeypatch.context() as patch:
        patch.setattr(
            module, "file_digest", lambda path: pytest.fail("the new time was not recorded")
        )
        assert recorded_digest(path) == digest

    path.write_bytes(b"second")
    with pytest.raises(
        DownloadError, match=r"changed since its SHA-256 was recorded in weights\.pth\.sha256"
    ):
        recorded_digest(path)


def test_a_small_file_gets_no_record(tmp_path: Path) -> None:
    (tmp_path / "small.pth").write_bytes(b"small")
    assert recorded_digest(tmp_path / "small.pth") == hashlib.sha256(b"small").hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["small.pth"]


def test_home_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMANTICMAC_HOME", str(tmp_path))
    assert download_folder() == tmp_path
    monkeypatch.delenv("SEMANTICMAC_HOME")
    assert download_folder() == Path.home() / ".cache" / "semanticmac"
