"""A small trained run on rendered clips, and a real server in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semanticmac.preprocess.demo.plan import DemoSpec
from semanticmac.preprocess.demo.render import render
from support.planted import save_family
from support.program import semanticmac

CLIPS = DemoSpec(seed=5, clips=12, size_px=64)
START_S = 120.0
SETTINGS = ("d_model=8", "heads=2", "perceiver_layers=1", "sgfi_layers=1", "epochs=1")


def train_run(root: Path) -> tuple[Path, Path]:
    """(folder of runs, folder of clips): a small model of text, audio and vision."""
    clips = root / "clips"
    assert render(clips, CLIPS, workers=1) == CLIPS.clips
    save_family("bert", root / "bert")
    semanticmac(root, "cache", "demo", "--root", clips, "--encoder", "imagebind-tiny")
    words: list[str] = []
    for setting in (*SETTINGS, f"language={root / 'bert'}"):
        words += ["--set", setting]
    semanticmac(root, "train", "--from-cache", "--run", root / "runs/small", *words)
    semanticmac(root, "eval", "--run", root / "runs/small")
    return root / "runs", clips


@dataclass
class RunningServer:
    """A server and how to ask it."""

    process: subprocess.Popen[str]
    host: str
    port: int
    data: Path
    link: str  # as it is printed

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, fields, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of a path."""
        status, _, body = self.ask("GET", path, headers=headers)
        assert status == 200, (status, body)
        return json.loads(body)

    def send(self, file: Path, name: str = "", **fields: str) -> dict[str, Any]:
        """Uploads a recording as a form and returns the state of its job."""
        kind, body = form(file.read_bytes(), name or file.name, **fields)
        status, _, answer = self.ask("POST", "/predict", body, {"content-type": kind})
        assert status == 202, (status, answer)
        return json.loads(answer)

    def wait(self, job_id: str, timeout_s: float = 180.0) -> dict[str, Any]:
        """The state of a job when it has ended."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.get(f"/jobs/{job_id}")
            if status["state"] in ("done", "failed"):
                return status
            time.sleep(0.1)
        raise AssertionError(f"job {job_id} has not ended: {status}")

    def kill(self) -> None:
        """SIGKILL, as by the system."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


BOUNDARY = "a-boundary-of-the-tests"


def form(content: bytes, name: str, **fields: str) -> tuple[str, bytes]:
    """(content type, body) of a multipart form with one file."""
    parts = []
    for field, value in fields.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'
        parts.append(head.encode() + value.encode() + b"\r\n")
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    parts.append(head.encode() + content + b"\r\n")
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={BOUNDARY}", body


@contextmanager
def running_server(
    runs: Path, data: Path, *words: object, **environment: str
) -> Iterator[RunningServer]:
    """Starts `semanticmac serve` at a free port and stops it at the end."""
    command = [sys.executable, "-m", "semanticmac.cli", "serve", "--runs", runs, "--data", data]
    command += ["--port", 0, "--device", "cpu", *words]
    process = subprocess.Popen(
        [str(word) for word in command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "1000", **environment},
    )
    assert process.stderr is not None
    try:
        link, lines = "", []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"open (http://\S+)", line):
                link = found[1]
                break
        assert link, "".join(lines)
        port = int(re.search(r":(\d+)/", link)[1])  # type: ignore[index]
        yield RunningServer(process, "127.0.0.1", port, data, link)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stderr.close()
