"""Frames of one clip by decord where it is right, else by ffmpeg. The only importer of decord.

decord picks by index and is wrong without a message on many kinds of files, so it is asked only
for those on which it is known to be right. Its audio reader is late: audio comes from ffmpeg.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.cache.records import TIE_S
from semanticmac.preprocess.decoding import ffmpeg_probe, ffmpeg_reader
from semanticmac.preprocess.decoding.frames import FrameSizer
from semanticmac.preprocess.decoding.probe import MediaInfo, VideoTrack
from semanticmac.preprocess.decoding.request import (
    SLACK_S,
    DecodeRequest,
    HandOver,
    Media,
    Segment,
    Video,
)

CLOCK_S = 2e-3  # files whose clock counts milliseconds are even to this
CHUNK_BYTES = 64 << 20  # native frames that decord holds at a time

# On others (avi, wmv, mpg, ts, flv) it gives wrong frames, or hangs until SIGKILL.
CONTAINERS = ("mov", "matroska")
CODECS = ("h264", "hevc", "vp8", "vp9")
PIXELS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")  # it rounds deeper pixels differently
# May hold open GOPs and key frames that are none; decord counts wrong after a seek to them.
LEADING = ("h264", "hevc")
MAX_S = 1024.0  # its clock is float32, and beyond this cannot tell a tick from the next


def read(request: DecodeRequest) -> Media:
    """Decode one clip."""
    info, whole = ffmpeg_reader.probe(request)
    video = None
    if info.video:
        if decord_is_right(info, info.video):
            video = _read(request, info, info.video)
        if video is None:
            video = ffmpeg_reader.read_video(request, info)
    audio = ffmpeg_reader.read_audio(request, info, whole) if info.audio_tracks else None
    return Media(info, video, audio)


def decord_is_right(info: MediaInfo, video: VideoTrack) -> bool:
    return (
        info.container.split(",")[0] in CONTAINERS
        and video.codec in CODECS
        and video.pixels in PIXELS
        and video.alone
        and not video.turned
        and info.duration_s is not None
        and info.duration_s <= MAX_S
    )


def forget() -> None:
    """Drop the file that stays open."""
    _reader.cache_clear()


def _read(request: DecodeRequest, info: MediaInfo, video: VideoTrack) -> Video | None:
    """The frames, or None where decord fails, meets damage, or has times that look odd."""
    try:
        import decord
    except ImportError:  # it has wheels for x86-64 only
        return None
    try:
        with _complaints(decord) as complained:
            frames = _picked(request, info, video)
            failed = complained()
    except (RuntimeError, AssertionError, UnicodeError, decord.DECORDError):
        failed = True
    if failed:
        forget()  # it may be left in any state
        return None
    return frames


@contextmanager
def _complaints(decord: Any) -> Iterator[Callable[[], bool]]:
    """Whether libav complains of the file while decord reads it: it conceals damage.

    Whatever this process writes to stderr meanwhile counts too, and is lost; a worker writes
    nothing there.
    """
    log, stderr = os.memfd_create("log"), os.dup(2)
    os.dup2(log, 2)
    decord.logging.set_level(decord.logging.ERROR)
    try:
        yield lambda: os.fstat(log).st_size > 0
    finally:
        decord.logging.set_level(decord.logging.QUIET)
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(log)


def _picked(request: DecodeRequest, info: MediaInfo, video: VideoTrack) -> Video | None:
    status = request.path.stat()
    segment = request.segment
    # An absolute path: libav would take a relative one that begins with `concat:` for a protocol.
    name = str(request.path.absolute())
    reader, clock = _reader(name, status.st_size, status.st_mtime_ns)
    trusted = _trusted(clock, video.start_s - segment.start_s - info.zero_s, segment)
    if trusted is None:
        return None
    starts_s, end_s = trusted
    segment.refuse_endless(end_s)
    times_s = np.arange(segment.count(min(end_s, segment.limit_s))) / segment.rate
    picks = np.maximum(np.searchsorted(starts_s, times_s + TIE_S, side="right") - 1, 0)
    keys = reader.get_key_indices()
    if len(keys) > 1 and picks[-1] >= keys[1]:
        file = (request.path, status.st_size, status.st_mtime_ns)
        if video.codec in LEADING and _leading_pictures(*file):
            return None
        if not _keys_are_clean(*file):
            raise HandOver("its key frames depend on other frames, or differ in size")
    if end_s < segment.limit_s:
        picks = np.append(picks, len(starts_s) - 1)  # stays while the audio goes on
    step = max(1, CHUNK_BYTES // (video.width * video.height * 3 or 1))
    sizer = FrameSizer(request.sampling.short_side_px, request.crop)
    frames = []
    for first in range(0, len(picks), step):
        for picture in reader.get_batch(picks[first : first + step]).asnumpy():
            frames.append(sizer(picture, video.pixel_aspect))
    return Video(frames, float(starts_s[0]), end_s)


@lru_cache(maxsize=1)
def _reader(path: str, size_bytes: int, changed_ns: int) -> tuple[Any, np.ndarray]:
    """decord's reader of a file and its clock, (n, 2): every frame's start and end in seconds.

    The last one stays open: opening reads the whole file's index, and hundreds of clips may be cut
    from one film.
    """
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    return reader, np.asarray(reader.get_frame_timestamp(np.arange(len(reader))), np.float64)


@lru_cache(maxsize=16)
def _leading_pictures(path: Path, size_bytes: int, changed_ns: int) -> bool:
    return ffmpeg_probe.leading_pictures(path)


@lru_cache(maxsize=16)
def _keys_are_clean(path: Path, size_bytes: int, changed_ns: int) -> bool:
    from semanticmac.preprocess.decoding import av_reader

    return av_reader.keys_are_clean(path)


def _trusted(
    clock: np.ndarray, offset_s: float, segment: Segment
) -> tuple[np.ndarray, float] | None:
    """Start of every frame and end of the last, from the clip's start; None if a time looks odd.

    clock: (n, 2), decord's seconds from the track's first frame; negative: frames that an edit
    list hides.
    """
    starts = clock[:, 0]
    steps = np.diff(starts)
    if not np.isfinite(clock).all() or not -TIE_S <= starts[0] <= TIE_S:
        return None
    if (steps <= 0).any() or starts[-1] > 1e6:
        return None

    starts = starts + offset_s
    end_s = float(clock[-1, 1] + offset_s)
    inside = (starts[1:] > 0) & (starts[:-1] < segment.limit_s)
    if (steps[inside] > 2 * SLACK_S).any():  # may be a damaged stretch: ffmpeg can tell
        return None
    # Ends that do not meet the next start are made up from the order of decoding, and the last of
    # them is the clip's.
    vague = (np.abs(clock[:-1, 1] - clock[1:, 0]) > CLOCK_S).any() or clock[-1, 1] <= clock[-1, 0]
    if (vague and starts[-1] < segment.limit_s) or end_s <= 0:
        return None
    return starts, end_s
