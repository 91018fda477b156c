"""Which files get a time line, and which clips are predicted as they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding.length import MediaLength
from semanticmac.preprocess.speech.recording import Recording, Utterance

# A file that lasts longer gets a time line unless the user says otherwise.
LONG_S = 60.0
MAX_NAME = 100  # letters of a file name
MAX_NAME_BYTES = 200  # the same in UTF-8: most file systems take 255 with the suffix


@dataclass(frozen=True)
class TimelineJob:
    """One recording to make a time line of."""

    video: Path
    name: str  # of its files, without a suffix; unique
    text: str = ""  # its transcript without times
    recording: Recording | None = None  # None: it is to be cut into utterances


@dataclass(frozen=True)
class Plan:
    """The clips to predict as they are, and the recordings that get a time line."""

    clips: tuple[Clip, ...]
    jobs: tuple[TimelineJob, ...]


def is_whole(clip: Clip) -> bool:
    """Whether the clip is a whole file."""
    return clip.start_s == 0 and clip.end_s is None and clip.crop is None and not clip.problem


def plan(clips: Sequence[Clip], wanted: bool | None, lengths: Mapping[Path, MediaLength]) -> Plan:
    """wanted: None = only for files longer than a minute.

    With True the segments of a file make one time line: they are its utterances. A clip with a
    problem stays a clip, so that its reason is reported.
    """
    alone: list[Clip] = []
    whole: list[Clip] = []
    segments: dict[Path, list[Clip]] = {}
    for clip in clips:
        length = lengths.get(clip.video)
        is_long = length is not None and length.seconds > LONG_S
        if is_whole(clip) and (wanted or (wanted is None and is_long)):
            whole.append(clip)
        elif wanted and length is not None and clip.end_s is not None and not clip.problem:
            segments.setdefault(clip.video, []).append(clip)
        else:
            alone.append(clip)

    jobs: list[TimelineJob] = []
    names: set[str] = set()
    for clip in whole:
        jobs.append(TimelineJob(clip.video, _name(clip.clip_id, clip.video, names), clip.text))
    for video, parts in segments.items():
        recording = recording_of(parts, lengths[video].seconds)
        name = _name(video.stem, video, names)
        jobs.append(TimelineJob(video, name, recording=recording))
    return Plan(tuple(alone), tuple(jobs))


def recording_of(clips: Sequence[Clip], seconds: float) -> Recording:
    """The segments of one file as its utterances."""
    utterances: list[Utterance] = []
    for clip in sorted(clips, key=_start_s):
        end_s = seconds if clip.end_s is None else clip.end_s
        utterances.append(Utterance(clip.start_s, end_s, clip.text, clip.speaker or ""))
    return Recording(seconds, tuple(utterances), ("the utterances are those of clips.csv",))


def _start_s(clip: Clip) -> float:
    return clip.start_s


def _name(clip_id: str, video: Path, names: set[str]) -> str:
    """A file name that no other recording has."""
    name = re.sub(r"[^\w.-]+", "-", clip_id).strip(".-") or "recording"
    name = name[:MAX_NAME].encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    if name in names:
        name = name_with_digest(name, video)
    names.add(name)
    return name


def name_with_digest(name: str, video: Path) -> str:
    """A name that belongs to this path alone."""
    digest = hashlib.sha256(str(video.absolute()).encode("utf-8", "surrogateescape"))
    return f"{name}-{digest.hexdigest()[:8]}"
