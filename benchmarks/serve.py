"""The server under load: eight uploads at once, again and again. Is a job lost, does memory grow?

    python -m benchmarks.serve --runs DIR [--rounds 6] [--clip FILE]

Every job must end with the same prediction. One upload of 400 MB, which is no film, shows what an
upload costs in memory. Figures are of resident private memory: of the server, and of
the process that holds the model.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import anonymous_mib, film, report

AT_ONCE = 8
CHUNK = bytes(1 << 20)


class Client:
    """Asks one server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: Any = None, length: int | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        headers = {"content-type": "video/mp4"}
        if length is not None:
            headers["content-length"] = str(length)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, (answer.status, text)
        return json.loads(text)

    def predict(self, clip: Path) -> str:
        """The id of the job when it has ended."""
        job: str = self.ask("POST", f"/predict?name={clip.name}&text=hello", clip.read_bytes())[
            "id"
        ]
        while self.ask("GET", f"/jobs/{job}")["state"] not in ("done", "failed"):
            time.sleep(0.05)
        return job

    def score(self, job: str) -> float:
        moments = self.ask("GET", f"/jobs/{job}/result")["moments"]
        scores = moments[0]["prediction"]["scores"]["multimodal"]
        return round(float(scores[0]), 5)


@contextmanager
def server(runs: Path, data: Path) -> Iterator[tuple[Client, int]]:
    """A server and its process id."""
    command = [sys.executable, "-m", "semanticmac.cli", "serve", "--port", "0", "--device", "cpu"]
    command += ["--runs", str(runs), "--data", str(data), "--rate", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if match := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                yield Client(int(match[1])), process.pid
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait()


def model_process(pid: int) -> str:
    """The id of the process that holds the model."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        if b"serve.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise SystemExit("there is no model process")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--clip", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = options.clip or film(Path(folder) / "clip.mp4", 3.0)
        with server(options.runs, Path(folder) / "data") as (client, pid):
            figures = measure(client, pid, clip, options.rounds)
    report("eight uploads at once: none lost, memory flat", "0 lost", **figures)


def measure(client: Client, pid: int, clip: Path, rounds: int) -> dict[str, Any]:
    """Runs all rounds, then one large upload."""
    expected = client.score(client.predict(clip))
    memory: list[tuple[float, float]] = []
    lost, wrong, started = 0, 0, time.monotonic()
    for _ in range(rounds):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = list(pool.map(lambda _: client.predict(clip), range(AT_ONCE)))
        lost += AT_ONCE - len(set(jobs))
        wrong += sum(client.score(job) != expected for job in jobs)
        memory.append((anonymous_mib(str(pid)), anonymous_mib(model_process(pid))))
    seconds = time.monotonic() - started

    size = 400 << 20
    peak = memory[-1][0]
    with ThreadPoolExecutor(1) as pool:
        chunks = (CHUNK for _ in range(size // len(CHUNK)))
        sending = pool.submit(client.ask, "POST", "/predict?name=large.mp4", chunks, size)
        while not sending.done():
            peak = max(peak, anonymous_mib(str(pid)))
            time.sleep(0.02)
        sending.result()
    return {
        "jobs": rounds * AT_ONCE,
        "lost": lost,
        "other_predictions": wrong,
        "jobs_a_second": round(rounds * AT_ONCE / seconds, 2),
        "server_mib_first_and_last_round": [round(memory[0][0]), round(memory[-1][0])],
        "model_mib_first_and_last_round": [round(memory[0][1]), round(memory[-1][1])],
        "server_mib_at_most_in_a_400_mib_upload": round(peak),
    }


if __name__ == "__main__":
    main()
