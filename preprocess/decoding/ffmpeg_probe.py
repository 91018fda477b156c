"""What a file holds, from what the ffmpeg program prints of it."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.probe import MediaInfo, VideoTrack, open_error

# dts, pts, flags
_PACKET = re.compile(rb"^0, *(-?\d+), *(-?\d+),[^F\n]*(?:F=0x([0-9A-F]+))?", re.MULTILINE)


def probe(path: Path) -> MediaInfo:
    """The header of a file, or a DecodeError that says why there is none."""
    return header(_look(path).stderr)


def header(log: bytes) -> MediaInfo:
    """The header of a file in the log of any run (`execute`).

    Raises DecodeError with the reason where there is none.
    """
    # After this line FFmpeg describes its output.
    log = re.split(rb"^Stream mapping:", log, maxsplit=1, flags=re.MULTILINE)[0]
    opened = re.search(rb"^Input #0, (\S+), from ", log, re.MULTILINE)
    if opened is None:
        raise DecodeError(open_error(log))
    return _parse_header(opened[1].decode(), log[opened.start() :], b"from bitrate" in log)


def first_picture_s(path: Path) -> float | None:
    """When the first frame is shown, on the file's own clock.

    Headers other than those of mov and matroska do not tell.
    """
    picked = "settb=AVTB,showinfo=checksum=0"
    run = _look(path, "-map", "0:V:0", "-vf", picked, "-frames:v", "1", "-f", "null", "-")
    first = next(filter(None, map(ffmpeg.PICTURE_LINE.match, run.stderr.splitlines())), None)
    return None if first is None else int(first[1]) / 1e6


def leading_pictures(path: Path) -> bool:
    """Whether a frame is shown before the key frame that it follows in the file (an open GOP).

    Such a picture needs the GOP before too, and is lost where reading begins at that key frame.
    """
    # One line a packet; nothing is decoded.
    run = _look(path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-")
    key_at = -math.inf
    for _, shown_at, flags in _PACKET.findall(run.stdout):
        # The flags are left out where a packet is a key frame and nothing else.
        if not flags or int(flags, 16) & 1:
            key_at = int(shown_at)
        elif int(shown_at) < key_at:
            return True
    return False


def _look(path: Path, *output: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg on a file for what it prints."""
    words = [*ffmpeg.command(), *ffmpeg.safe_flags(), "-i", ffmpeg.source(path), *output]
    return ffmpeg.execute(words, path, ffmpeg.PROBE_TIMEOUT_S)


def _parse_header(container: str, log: bytes, guessed: bool) -> MediaInfo:
    """log: from `Input #0` on; guessed: the duration is an estimate from the bit rate."""
    clock = re.search(
        rb"^  Duration: (?:N/A|(\d+):(\d+):([\d.]+))(?:, start: (-?[\d.]+))?", log, re.MULTILINE
    )
    duration_s, start_s = None, 0.0
    if clock and clock[1] and not guessed:
        duration_s = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    if clock and clock[4]:
        start_s = float(clock[4])
    parts = re.split(rb"^ {2,4}Stream #0:\d+[^ :]*: ", log, flags=re.MULTILINE)[1:]
    pictures = audio = others = 0
    shown = []
    for part in parts:
        if part.startswith(b"Audio: "):
            audio += 1
        elif part.startswith(b"Video: "):
            pictures += 1
            if b"(attached pic)" not in part.split(b"\n", 1)[0]:
                shown.append(part)
        else:
            others += 1
    video = _parse_video(shown[0], start_s, alone=pictures == 1) if shown else None
    return MediaInfo(container, duration_s, start_s, video, audio, not others, len(shown))


def _parse_video(part: bytes, file_start_s: float, *, alone: bool) -> VideoTrack:
    """part: one stream's line after `Stream #0:0: `, and the lines that belong to it."""
    line, _, below = part.partition(b"\n")
    codec = re.match(rb"Video: (\w+)", line)
    pixels = re.search(rb"[,)] (\w+)(?:\([^)]*\))?, \d+x\d+", line)
    size = re.search(rb", (\d+)x(\d+)", line)
    aspect = re.search(rb"SAR (\d+):(\d+)", line)
    start = re.search(rb", start (-?[\d.]+)", line)
    matrix = re.search(rb"Display ?Matrix: rotation of (-?[\d.]+)", below, re.IGNORECASE)
    pixel_aspect = (
        int(aspect[1]) / int(aspect[2]) if aspect and int(aspect[1]) and int(aspect[2]) else 1.0
    )
    degrees = float(matrix[1]) if matrix else 0.0
    if round(degrees / 90) % 2:
        pixel_aspect = 1 / pixel_aspect
    return VideoTrack(
        codec=codec[1].decode() if codec else "none",
        pixels=pixels[1].decode() if pixels else "none",
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        pixel_aspect=pixel_aspect,
        start_s=float(start[1]) if start else file_start_s,
        turned=matrix is not None,
        alone=alone,
        hdr=bool(re.search(rb"smpte2084|arib-std-b67", line)),
        interlaced=bool(re.search(rb"\b(top|bottom) (coded )?first", line)),
        odd_turn=abs(degrees - 90 * round(degrees / 90)) > 1,
    )
