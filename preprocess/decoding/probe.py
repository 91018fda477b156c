"""The record of what a file holds, for every reader, and why a file cannot be opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

# An encoder's run-in, before the first frame or before 0 s, is shorter than this.
RUN_IN_S = 0.2
# Only containers of video and audio are opened. A playlist named clip.mp4 could otherwise make
# the library read, and show, any other file.
CONTAINERS = (
    "mov,matroska,avi,mpeg,mpegvideo,mpegts,flv,asf,ogg,mxf,dv,rm,wtv,gxf,nut,h264,hevc,m4v,ivf,"
    "obu,wav,w64,mp3,flac,aac,aiff,au,caf,amr,ac3,eac3,dts,nistsphere,ape,wv,tta"
)


@dataclass(frozen=True)
class VideoTrack:
    """What the header says of the video track that is read (cover art is none)."""

    codec: str
    pixels: str  # pixel format, "yuv420p"
    width: int  # as coded, before rotation; 0 where the header does not tell
    height: int
    pixel_aspect: float  # width of one pixel over its height, after rotation
    start_s: float  # on the file's own clock
    turned: bool  # a display matrix rotates or mirrors the frames
    alone: bool  # no other video track and no cover art
    hdr: bool = False  # PQ or HLG
    interlaced: bool = False
    odd_turn: bool = False  # by another angle than a quarter of a circle


@dataclass(frozen=True)
class MediaInfo:
    """What a file says of itself before anything is decoded."""

    container: str
    # Of the longest track; None where it is not stated or only guessed from the bit rate.
    duration_s: float | None
    start_s: float  # the file's own clock at its start
    video: VideoTrack | None
    audio_tracks: int
    only_av: bool  # no subtitle or data track could last as long as duration_s says
    video_tracks: int = 1

    @property
    def zero_s(self) -> float:
        """The file's own clock at 0 s of the clip's clock.

        It is the first frame where that comes next to the file's start, else the file's start.
        A wmv, mpg or avi delays its frames by the run-in of its audio encoder, and a slightly
        negative start is a run-in too.
        """
        if self.video and 0 <= self.video.start_s - self.start_s < RUN_IN_S:
            return self.video.start_s
        return 0.0 if -RUN_IN_S < self.start_s < 0 else self.start_s


def open_error(log: bytes) -> str:
    """The reason why a file cannot be opened, from the messages of FFmpeg's libraries."""
    if b"not on whitelist" in log or b"m3u8/hls" in log:
        return (
            "the file is a playlist, a picture or another kind that is not read here; "
            "expected a video or sound file"
        )
    if b"moov atom not found" in log and b"low score" not in log:
        return (
            "the file breaks off before its index (moov atom not found): it is truncated; "
            "download it again"
        )
    if b"Invalid data found" in log:
        return (
            "the file is neither video nor sound that ffmpeg knows, whatever its name says; "
            "download it again"
        )
    return f"ffmpeg cannot open the file: {first_complaint(log.splitlines())}"


def first_complaint(lines: list[bytes]) -> str:
    """The first complaint in a log, without the address in front of it."""
    plain = [re.sub(rb"^(\[[^\]]*\] )+", b"", line).strip() for line in lines]
    for line in plain:
        if re.search(rb"error|invalid|not |fail|unknown", line, re.IGNORECASE):
            return line.decode(errors="replace")[:200]
    return plain[0].decode(errors="replace")[:200] if plain else "it gave no reason"
