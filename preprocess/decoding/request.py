"""What reading one clip goes by: its file and header, its place in the file, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semanticmac.cache.frame_codec import frame_count
from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg

Decoder = Literal["auto", "ffmpeg"]
Crop = Literal["left", "right"]

# headers and label files are inexact by less than one sampling step; a larger lack is a failure
SLACK_S = 0.5
# decoded before a segment and thrown away: seeks are inexact, and an audio codec needs a run-in
LEAD_S = 1.0
# segments of one file that start in the same minute share a worker, and one reading of the sound
MINUTE_S = 60.0


@dataclass(frozen=True)
class Limits:
    """What is refused before it takes memory or time."""

    max_duration_s: float = 3600.0  # of one clip; an hour of 16:9 pictures at 2 a second is 2 GB
    max_side_px: int = 8192
    timeout_s: float = 600.0  # of each run of ffmpeg


@dataclass(frozen=True)
class Segment:
    """The part of the file that is the clip, on the clock of Header.zero_s."""

    start_s: float
    wanted_s: float | None  # None = to the end of the file
    max_s: float
    rate: int  # pictures a second

    @property
    def limit_s(self) -> float:
        return self.max_s if self.wanted_s is None else self.wanted_s

    def count(self, duration_s: float) -> int:
        """Number of k with k/rate < duration_s; at least 1."""
        return frame_count(duration_s, self.rate)

    def refuse_endless(self, end_s: float) -> None:
        """A DecodeError where no end was asked for and the clip goes on past all that is read."""
        if self.wanted_s is None and end_s > self.max_s:
            raise DecodeError(
                f"the clip lasts over {self.max_s:.0f} s, the most that is read: give start and end times"
            )


@dataclass(frozen=True)
class DecodeRequest:
    """Everything that reading one clip goes by."""

    path: Path
    header: ffmpeg.Header
    window: Segment
    sampling: Sampling
    limits: Limits
    crop: Crop | None  # the half of every picture that is kept

    @property
    def start_s(self) -> float:
        """The clip's start on the file's own clock."""
        return self.window.start_s + self.header.zero_s
