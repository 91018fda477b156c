"""What the model process tells the server about a job."""

from __future__ import annotations

import errno
import io
import json
from typing import Any

import pytest

from semanticmac.preprocess.clip import DecodeError
from semanticmac.serve import worker

ORDER: dict[str, Any] = {
    "run": "/server/runs/small",
    "media": "/server/jobs/1/media.mp4",
    "name": "clip.mp4",
    "text": None,
    "without": [],
    "copy": None,
    "timeline": "/server/jobs/1/timeline.json",
}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/server/jobs/1/timeline.json"),
            "OSError: No space left on device",
        ),
        (DecodeError("/server/jobs/1/media.mp4: no frame"), "clip.mp4: no frame"),
        (ValueError("odd"), "ValueError: odd"),
    ],
    ids=["full disk", "bad recording", "defect"],
)
def test_the_reason_of_a_failure_names_no_path_of_the_server(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(worker, "predict_recording", fail)
    messages = io.StringIO()
    models: Any = None
    worker._predict(ORDER, models, {"max_seconds": 60.0}, worker._Reporter(messages))
    assert json.loads(messages.getvalue()) == {"kind": "failed", "reason": reason}
