"""What the model process does: it reads jobs, predicts them and reports.

Standard input brings one job a line; standard output takes one message a line. All prints of
libraries go to standard error. When the server dies, standard input ends, and so does the process.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

from semanticmac.cache.atomic_io import write_text
from semanticmac.serve.predicting import Models, RecordingRefused, predict_recording

PROGRESS_S = 0.2  # shortest time between two messages about progress


def main(options: dict[str, Any]) -> None:
    """Never returns while the server lives.

    options: device, recogniser, max_seconds of serve.settings.
    """
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    reporter = _Reporter(messages)
    models = Models(options["device"], options["recogniser"])
    while True:
        order = json.loads(jobs.get())
        _predict(order, models, options, reporter)


def _read_jobs(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


class _Reporter:
    """Writes messages to the server."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages
        self._last = 0.0

    def send(self, **message: Any) -> None:
        self._messages.write(json.dumps(message) + "\n")
        self._messages.flush()

    def progress(self, stage: str, done: int, total: int, failed: int) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_S or done == total:
            self._last = now
            self.send(kind="progress", stage=stage, done=done, total=total)


def _predict(
    order: dict[str, Any], models: Models, options: dict[str, Any], reporter: _Reporter
) -> None:
    try:
        timeline = predict_recording(
            models,
            Path(order["run"]),
            Path(order["media"]),
            name=order["name"],
            text=order["text"],
            without=order["without"],
            copy=None if order["copy"] is None else Path(order["copy"]),
            max_seconds=options["max_seconds"],
            progress=reporter.progress,
        )
        write_text(Path(order["timeline"]), timeline.to_json())
    except RecordingRefused as error:
        reporter.send(kind="failed", reason=str(error))
    except Exception as error:
        # Errors of this package are complete messages; any other is named with its type.
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            reason = f"{type(error).__name__}: {error.strerror}"  # its text names a path
        elif not type(error).__module__.startswith("semanticmac."):
            reason = f"{type(error).__name__}: {error}"
        reporter.send(kind="failed", reason=_without_paths(reason, order))
    else:
        reporter.send(kind="done")


def _without_paths(reason: str, order: dict[str, Any]) -> str:
    """A reason in which the recording has the client's name, not its path on this machine."""
    return reason.replace(order["media"], order["name"])
