"""The request to decode one clip, the limits, and what every reader returns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import frame_count
from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding.probe import MediaInfo

Decoder = Literal["av", "decord", "ffmpeg"]
Crop = Literal["left", "right"]
DEFAULT_DECODER: Decoder = "av"

# Headers and label files are inexact by less than one sampling step; a larger lack is a failure.
SLACK_S = 0.5
# Decoded before a segment and dropped: seeks are inexact, and an audio codec needs a run-in.
LEAD_S = 1.0
# Segments of one file that start in the same minute share a worker and one reading of the audio.
MINUTE_S = 60.0
# Read beyond a minute: few segments that start in it end later.
OVERHANG_S = 5.0


@dataclass(frozen=True)
class Limits:
    """What is refused before it takes memory or time."""

    max_duration_s: float = 3600.0  # of one clip; an hour of 16:9 frames at 2 a second is 2 GB
    max_side_px: int = 8192
    timeout_s: float = 600.0  # of each run of the ffmpeg program


@dataclass(frozen=True)
class Segment:
    """The part of the file that is the clip, on the clock of MediaInfo.zero_s."""

    start_s: float
    wanted_s: float | None  # None = to the end of the file
    max_s: float
    rate: int  # frames a second

    @property
    def limit_s(self) -> float:
        return self.max_s if self.wanted_s is None else self.wanted_s

    def count(self, duration_s: float) -> int:
        """Number of k with k/rate < duration_s; at least 1."""
        return frame_count(duration_s, self.rate)

    def refuse_endless(self, end_s: float) -> None:
        """Raise DecodeError where no end was given and the clip lasts longer than the limit."""
        if self.wanted_s is None and end_s > self.max_s:
            raise DecodeError(
                f"the clip lasts over {self.max_s:.0f} s, the most that is read: "
                "give start and end times"
            )


@dataclass(frozen=True)
class DecodeRequest:
    """Everything that decoding one clip goes by."""

    path: Path
    segment: Segment
    sampling: Sampling
    limits: Limits
    crop: Crop | None  # the half of every frame that is kept

    @classmethod
    def of(cls, clip: Clip, sampling: Sampling, limits: Limits) -> DecodeRequest:
        """Raises DecodeError for start and end times that make no segment."""
        start_s, end_s = clip.start_s, clip.end_s
        ends = end_s is None or start_s < end_s < math.inf
        if not (math.isfinite(start_s) and start_s >= 0 and ends):
            raise DecodeError(
                f"the segment runs from {start_s} s to {end_s} s; expected 0 ≤ start < end"
            )
        wanted_s = None if end_s is None else end_s - start_s
        segment = Segment(start_s, wanted_s, limits.max_duration_s, sampling.frames_per_s)
        return cls(clip.video, segment, sampling, limits, clip.crop)

    @property
    def whole(self) -> bool:
        return self.segment.start_s == 0 and self.segment.wanted_s is None

    def check(self, info: MediaInfo) -> None:
        """Raise DecodeError for what can be refused before anything is decoded."""
        segment, limits, video = self.segment, self.limits, info.video
        if video is None and not info.audio_tracks:
            raise DecodeError("the file has neither a video nor an audio track")
        if info.duration_s is not None and segment.start_s >= info.duration_s + SLACK_S:
            raise DecodeError(starts_past_end(segment.start_s, info.duration_s))
        length_s = segment.wanted_s
        if length_s is None:
            length_s = (info.duration_s or 0.0) - segment.start_s
        if length_s > limits.max_duration_s:
            raise DecodeError(
                f"the clip lasts {length_s:.0f} s; at most {limits.max_duration_s:.0f} s are read: "
                "give start and end times"
            )
        if video and max(video.width, video.height) > limits.max_side_px:
            raise DecodeError(
                f"the picture is {video.width} × {video.height} px; "
                f"at most {limits.max_side_px} px a side are read"
            )


def starts_past_end(start_s: float, file_s: float) -> str:
    return (
        f"the segment starts at {start_s:.2f} s, past the end of the file, "
        f"which lasts {file_s:.2f} s"
    )


@dataclass(frozen=True)
class Video:
    """Resized frames at k/rate s, and how far the file's frames go (seconds from the clip's start).

    Where the audio goes on, one frame more follows: the last one, which stays.
    """

    frames: list[np.ndarray]
    start_s: float  # of the first frame; negative: it was showing before the clip began
    end_s: float
    lost_s: float = 0.0  # damaged stretches inside
    damaged: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Media:
    """What a reader returns for one request."""

    info: MediaInfo
    video: Video | None
    # (n,) int16 mono from the clip's start to its end or the track's; None = no audio track
    audio: np.ndarray | None
    notes: tuple[str, ...] = ()  # which track was read, and why


class Reader(Protocol):
    """One of av_reader, decord_reader, ffmpeg_reader."""

    def __call__(self, request: DecodeRequest) -> Media:
        """Decode one clip. Raises DecodeError, or HandOver for what only av_reader reads right."""


class HandOver(Exception):
    """The file is of a kind that this reader reads wrongly; the message names the kind."""
