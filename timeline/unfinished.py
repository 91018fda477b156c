"""The part of a time line that is finished, kept in a file until the time line is complete."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semanticmac.cache.keys import json_digest
from semanticmac.core import Task
from semanticmac.eval.timeline import Moment, moment_fields, moment_from
from semanticmac.preprocess.speech.recording import Recording
from semanticmac.preprocess.speech.segment import recording_from
from semanticmac.run.digests import prediction_digest
from semanticmac.timeline.predict import StartedTimeline, TimelineOptions


def timeline_key(
    run: Path,
    video: Path,
    options: TimelineOptions,
    *,
    without: Sequence[str] = (),
    recognition: str = "",
    recording: Recording | None = None,
) -> str:
    """Identifies everything that a time line depends on: the run, the file, the options.

    recognition: model and language of the recogniser. recording: the utterances, if they are given.
    """
    transcript = options.transcript
    content: dict[str, Any] = {
        "run": prediction_digest(run),
        "video": str(video.absolute()),
        "activity": None if options.activity is None else options.activity.name,
        "limits": asdict(options.limits),
        "transcript": None if transcript is None else asdict(transcript),
        "turns": [asdict(turn) for turn in options.turns],
        "recognition": recognition,
        "recording": None if recording is None else asdict(recording),
        "without": sorted(without),
    }
    try:
        status = video.stat()
        content["file"] = [status.st_size, status.st_mtime_ns]
    except OSError:
        content["file"] = None
    return json_digest(content)[:16]


class UnfinishedTimeline:
    """A file with one JSON object a line: the video and its utterances, then the result of each.

    Each line is on the disk when the call that writes it returns.
    """

    def __init__(self, path: Path, video: Path, key: str, task: Task) -> None:
        """A file with another key belongs to other options, and is replaced at the first write."""
        self._path, self._video, self._key = path, video, key
        self.started = self._read(task)

    def add_recording(self, recording: Recording) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        video = str(self._video.absolute())
        self._append({"key": self._key, "video": video, "recording": asdict(recording)})

    def add_moment(self, index: int, moment: Moment) -> None:
        self._append({"number": index, "moment": moment_fields(moment)})

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _append(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            # The line break in front ends what a killed process left without its end.
            file.write("\n" + json.dumps(entry, ensure_ascii=True))
            file.flush()
            os.fsync(file.fileno())

    def _read(self, task: Task) -> StartedTimeline:
        recording: Recording | None = None
        moments: list[Moment] = []
        if not self._path.exists():
            return StartedTimeline()
        for line in self._path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                entry = json.loads(line)
                if recording is None:
                    if entry["key"] != self._key:
                        return StartedTimeline()
                    recording = recording_from(entry["recording"])
                elif entry["number"] == len(moments):
                    moments.append(moment_from(entry["moment"], task))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # the last line of a killed process, or empty
        return StartedTimeline(recording, tuple(moments))


def video_of_unfinished(path: Path) -> Path | None:
    """The video of a file that a stopped call left; None without a file that names it."""
    try:
        with path.open(encoding="utf-8") as file:
            file.readline()  # empty: each entry begins with a line break
            return Path(json.loads(file.readline())["video"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
