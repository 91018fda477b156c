"""The options of `predict` for time lines, checked before any model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, cast, get_args

import typer

from semanticmac.commands.common import cores

if TYPE_CHECKING:
    from semanticmac.preprocess.clip import Clip
    from semanticmac.preprocess.speech.activity import VoiceActivity
    from semanticmac.preprocess.speech.speakers import Turn
    from semanticmac.preprocess.speech.transcript_files import Transcript
    from semanticmac.timeline.plan import Plan

VIDEO_CHOICES = ("link", "embed", "none")


@dataclass(frozen=True)
class TimelineRequest:
    """The options as the user gave them. Raises BadParameter for options that do not fit."""

    wanted: bool | None  # None: for files longer than a minute
    pages: Path
    video: str
    activity: str
    asr: str | None
    language: str | None
    transcripts: Path | None
    speakers: Path | None
    text: str | None  # of the one file

    def __post_init__(self) -> None:
        from semanticmac.preprocess.speech.activity import Activity

        if self.video not in VIDEO_CHOICES:
            raise typer.BadParameter(f"--video {self.video}: expected {', '.join(VIDEO_CHOICES)}")
        if self.activity not in get_args(Activity):
            raise typer.BadParameter(f"--activity {self.activity}: expected auto, silero or energy")
        if self.language is not None and self.asr is None:
            raise typer.BadParameter("--language needs --asr: nothing else reads it")
        given = self._given()
        if self.wanted is False and given:
            raise typer.BadParameter(
                f"{given[0]} is for time lines, and --no-timeline makes none: leave one of them out"
            )
        if self.text is not None and self.transcripts is not None:
            raise typer.BadParameter("--text and --transcripts: give one of them")
        if self.pages.exists() and not self.pages.is_dir():
            raise typer.BadParameter(f"--pages {self.pages} is a file: give a folder")
        if self.asr is not None and find_spec("faster_whisper") is None:
            raise typer.BadParameter(
                "--asr needs faster-whisper, which is not installed: "
                "run `pip install 'semanticmac[transcribe]'`"
            )
        if given and self.wanted is None:
            # Whoever says how to transcribe a short recording wants its utterances too.
            object.__setattr__(self, "wanted", True)

    def _given(self) -> list[str]:
        """The options that only time lines read."""
        values = {"--asr": self.asr, "--transcripts": self.transcripts, "--speakers": self.speakers}
        return [name for name, value in values.items() if value is not None]

    def open_activity(self) -> VoiceActivity:
        from semanticmac.preprocess.speech.activity import Activity, open_activity

        return open_activity(cast(Activity, self.activity))

    def find_transcripts(self, videos: Sequence[Path]) -> dict[Path, Transcript]:
        """The transcripts that --transcripts names, by video."""
        from semanticmac.preprocess.speech.inputs import find_transcripts

        if self.transcripts is None or not videos:
            return {}
        return find_transcripts(self.transcripts, videos)

    def find_turns(self, videos: Sequence[Path]) -> dict[Path, list[Turn]]:
        """The speakers' turns that --speakers names, by video."""
        from semanticmac.preprocess.speech.inputs import find_turns

        if self.speakers is None or not videos:
            return {}
        return find_turns(self.speakers, videos)


def plan_timelines(request: TimelineRequest, clips: Sequence[Clip]) -> Plan:
    """Which clips become time lines. Loads no torch.

    Raises CorpusError for transcripts and speakers that do not fit, and ActivityError where the
    voice activity is not installed.
    """
    from semanticmac.preprocess.decoding.length import media_lengths
    from semanticmac.timeline.plan import is_whole, plan

    measured: list[Path] = []
    if request.wanted is not False:
        for clip in clips:
            if request.wanted or is_whole(clip):
                measured.append(clip.video)
    planned = plan(clips, request.wanted, media_lengths(measured, cores()))
    if planned.jobs:
        videos = [job.video for job in planned.jobs]
        request.open_activity()
        request.find_transcripts(videos)
        request.find_turns(videos)
        _require_writable(request.pages)
    return planned


def _require_writable(folder: Path) -> None:
    """Makes the folder. Raises BadParameter where no file can be written in it."""
    from semanticmac.cache.file_locks import writable

    with writable(folder, typer.BadParameter, "--pages"):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
