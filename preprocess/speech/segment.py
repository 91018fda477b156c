"""Many recordings → clips.csv; a stopped call goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from semanticmac.cache.failures import Failure
from semanticmac.cache.keys import json_digest
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.speech.activity import VoiceActivity
from semanticmac.preprocess.speech.clips_csv import relative_names, write_clips_csv
from semanticmac.preprocess.speech.recognition import Recogniser
from semanticmac.preprocess.speech.recording import Recording, Utterance, segment_recording
from semanticmac.preprocess.speech.spans import SpanLimits
from semanticmac.preprocess.speech.speakers import Turn
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.preprocess.speech.words import Word


@dataclass(frozen=True)
class SegmentOptions:
    """How recordings are segmented."""

    activity: VoiceActivity
    limits: SpanLimits
    # Loads a recogniser, when the first recording without a transcript needs it.
    open_recogniser: Callable[[], Recogniser] | None = None
    transcripts: Mapping[Path, Transcript] = field(default_factory=dict)  # by video
    turns: Mapping[Path, Sequence[Turn]] = field(default_factory=dict)  # by video
    # Everything else that changes the result: model and language of the recogniser.
    recognition: str = ""


@dataclass(frozen=True)
class SegmentReport:
    """The result of segmenting several files."""

    recordings: Mapping[str, Recording]  # by name in the table
    failures: tuple[Failure, ...]  # files without a row in the table
    resumed: int  # files that an earlier, stopped call had finished
    utterances: int


def segment_files(
    videos: Sequence[Path], table: Path, options: SegmentOptions, progress: ProgressFn
) -> SegmentReport:
    """Segments recordings in order and writes the table at the end.

    A file that cannot be segmented is a failure and does not stop the others. Every finished file
    is kept in a hidden file beside the table until the table is written. Raises CorpusError for a
    video outside the table's folder.
    """
    names = relative_names(videos, table)
    kept = _Kept(table, options)
    recordings: dict[str, Recording] = {}
    failures: list[Failure] = []
    resumed = 0
    recogniser: Recogniser | None = None
    for done, (video, name) in enumerate(zip(videos, names, strict=True), 1):
        recording = kept.get(video, name)
        if recording is not None:
            resumed += 1
        else:
            transcript = options.transcripts.get(video)
            if transcript is None and recogniser is None and options.open_recogniser:
                recogniser = options.open_recogniser()
            try:
                recording = segment_recording(
                    video,
                    options.activity,
                    options.limits,
                    progress,
                    transcript=transcript,
                    recogniser=recogniser,
                    turns=options.turns.get(video, ()),
                )
            except DecodeError as error:
                failures.append(Failure(name, str(video), str(error), cached=False))
            else:
                kept.add(video, name, recording)
        if recording is not None:
            recordings[name] = recording
        progress("recordings", done, len(videos), len(failures))
    count = write_clips_csv(table, recordings) if recordings else 0
    kept.remove()
    return SegmentReport(recordings, tuple(failures), resumed, count)


class _Kept:
    """The finished files of a call that may be stopped, one JSON object a line."""

    def __init__(self, table: Path, options: SegmentOptions) -> None:
        self._path = table.with_name(f".{table.name}.unfinished")
        self._options = options
        self._recordings: dict[str, Recording] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").split("\n"):
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            self._recordings[entry["key"]] = recording_from(entry["recording"])
        except (ValueError, KeyError, TypeError):
            return  # the last line of a killed process, or empty

    def get(self, video: Path, name: str) -> Recording | None:
        return self._recordings.get(self._key(video, name))

    def add(self, video: Path, name: str, recording: Recording) -> None:
        entry = {"key": self._key(video, name), "recording": asdict(recording)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            # The empty line ends what a killed process left without its end.
            file.write("\n" + json.dumps(entry, ensure_ascii=True))
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _key(self, video: Path, name: str) -> str:
        """Identifies the file and every option that changes its utterances."""
        options = self._options
        transcript = options.transcripts.get(video)
        content: dict[str, Any] = {
            "name": name,
            "activity": options.activity.name,
            "limits": asdict(options.limits),
            "recognition": options.recognition if transcript is None else "",
            "transcript": None if transcript is None else asdict(transcript),
            "turns": [asdict(turn) for turn in options.turns.get(video, ())],
        }
        if video.exists():
            status = video.stat()
            content["file"] = [status.st_size, status.st_mtime_ns]
        return json_digest(content)


def recording_from(fields: dict[str, Any]) -> Recording:
    """The recording that `asdict` made these fields of. Raises KeyError or TypeError for others."""
    utterances: list[Utterance] = []
    for utterance in fields["utterances"]:
        words = [Word(**word) for word in utterance.pop("words", ())]
        utterances.append(Utterance(**utterance, words=tuple(words)))
    return Recording(fields["duration_s"], tuple(utterances), tuple(fields["notes"]))
