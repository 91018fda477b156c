"""The pictures of one clip that were showing at k/2 s, by decord or by ffmpeg. The only door to decord.

decord picks by index and is fast, but wrong without a word on many kinds of file; those go to
ffmpeg, which is right on all of them. Both give pictures in native size, and one resize serves
both, so a clip's pixels do not tell who read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python
import numpy as np
from PIL import Image

from semanticmac.cache.frame_codec import TIE_S
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.request import (
    LEAD_S,
    SLACK_S,
    Crop,
    Decoder,
    DecodeRequest,
    Segment,
)

CLOCK_S = 2e-3  # files whose clock counts milliseconds are even to this
MAX_ASPECT = 10.0
CHUNK_BYTES = 64 << 20  # native pictures that decord holds at a time

# decord is right on these and nowhere else (avi, wmv, mpg, ts, flv: wrong pictures, or a hang that
# only SIGKILL ends).
DECORD_CONTAINERS = ("mov", "matroska")
DECORD_CODECS = ("h264", "hevc", "vp8", "vp9")
DECORD_PIXELS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")  # it rounds deeper pixels differently
DECORD_LEADING = ("h264", "hevc")  # may hold open GOPs, in which decord counts wrong after a seek
DECORD_MAX_S = 1024.0  # its clock is float32, which beyond this cannot tell a tick from the next


@dataclass(frozen=True)
class Pictures:
    """Resized pictures at k/rate s, and how far the file's pictures go (seconds from the clip's start)."""

    frames: list[np.ndarray]
    start_s: (
        float  # of the first picture that was found; negative: it was showing before the clip began
    )
    end_s: float
    lost_s: float = 0.0  # damaged stretches inside
    damaged: bool = False


def read_frames(order: DecodeRequest, video: ffmpeg.VideoTrack, decoder: Decoder) -> Pictures:
    if max(video.width, video.height) > order.limits.max_side_px:
        raise DecodeError(
            f"the picture is {video.width} × {video.height} px; at most {order.limits.max_side_px} px a side are read"
        )
    if decoder == "auto" and _decord_is_right(order.header, video):
        found = _read_with_decord(order, video)
        if found is not None:
            return found
    # An inexact seek may land after the segment's start and miss the picture that was showing: then
    # go further back.
    for lead_s in (LEAD_S, 15 * LEAD_S, order.window.start_s):
        seek_s = max(0.0, order.window.start_s - lead_s)
        found = _read_with_ffmpeg(order, video, seek_s)
        if found and (found.start_s <= 0 or seek_s == 0):
            break
    assert found is not None  # a read from the start finds pictures or raises
    return found


def _decord_is_right(header: ffmpeg.Header, video: ffmpeg.VideoTrack) -> bool:
    return (
        header.container.split(",")[0] in DECORD_CONTAINERS
        and video.codec in DECORD_CODECS
        and video.pixels in DECORD_PIXELS
        and video.alone
        and not video.turned
        and header.duration_s is not None
        and header.duration_s <= DECORD_MAX_S
    )


def _read_with_decord(order: DecodeRequest, video: ffmpeg.VideoTrack) -> Pictures | None:
    """The pictures, or None where decord fails, meets damage, or has timestamps that are not to be trusted."""
    try:
        import decord
    except ImportError:  # has wheels for x86-64 only
        return None
    try:
        with _complaints(decord) as complained:
            pictures = _picked(order, video)
            failed = complained()
    except (RuntimeError, AssertionError, UnicodeError, decord.DECORDError):
        failed = True
    if failed:
        _reader.cache_clear()  # it may be left in any state
        return None  # ffmpeg then says what is wrong with the file, or reads it
    return pictures


@contextmanager
def _complaints(decord: Any) -> Iterator[Callable[[], bool]]:
    """Whether libav complains of the file while decord reads it: it conceals damage, and tells nobody but stderr.

    What this process writes to stderr meanwhile counts too, and is lost; a worker writes nothing
    there.
    """
    said, stderr = os.memfd_create("said"), os.dup(2)
    os.dup2(said, 2)
    decord.logging.set_level(decord.logging.ERROR)
    try:
        yield lambda: os.fstat(said).st_size > 0
    finally:
        decord.logging.set_level(decord.logging.QUIET)
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(said)


def _picked(order: DecodeRequest, video: ffmpeg.VideoTrack) -> Pictures | None:
    found = order.path.stat()
    # An absolute path: libav would take a relative one that begins with `concat:` for a protocol.
    reader, clock = _reader(str(order.path.absolute()), found.st_size, found.st_mtime_ns)
    shown = _trusted(clock, video.start_s - order.start_s, order.window)
    if shown is None:
        return None
    starts, end_s = shown
    order.window.refuse_endless(end_s)
    times = np.arange(order.window.count(min(end_s, order.window.limit_s))) / order.window.rate
    picks = np.maximum(np.searchsorted(starts, times + TIE_S, side="right") - 1, 0)
    keys = reader.get_key_indices()
    seeks = len(keys) > 1 and picks[-1] >= keys[1]
    if (
        seeks
        and video.codec in DECORD_LEADING
        and _leading_pictures(order.path, found.st_size, found.st_mtime_ns)
    ):
        return None
    step = max(1, CHUNK_BYTES // (video.width * video.height * 3 or 1))
    frames = [
        _resize(_half(picture, order.crop), video.pixel_aspect, order.sampling.short_side_px)
        for at in range(0, len(picks), step)
        for picture in reader.get_batch(picks[at : at + step]).asnumpy()
    ]
    return Pictures(frames, float(starts[0]), end_s)


@lru_cache(maxsize=1)
def _reader(path: str, size_bytes: int, changed_ns: int) -> tuple[Any, np.ndarray]:
    """decord's reader of a file and its clock, (n, 2): every picture's start and end in seconds.

    The last one stays open: opening reads the whole file's index, and hundreds of clips may be cut
    from one film.
    """
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    return reader, np.asarray(reader.get_frame_timestamp(np.arange(len(reader))), np.float64)


@lru_cache(maxsize=16)
def _leading_pictures(path: Path, size_bytes: int, changed_ns: int) -> bool:
    return ffmpeg.leading_pictures(path)


def _trusted(
    clock: np.ndarray, offset_s: float, window: Segment
) -> tuple[np.ndarray, float] | None:
    """Start of every picture and end of the last, in seconds from the clip's start; None if anything looks odd.

    clock: (n, 2), decord's seconds from the track's first picture; negative: pictures that an edit
    list hides.
    """
    starts = clock[:, 0]
    steps = np.diff(starts)
    if (
        not np.isfinite(clock).all()
        or not -TIE_S <= starts[0] <= TIE_S
        or (steps <= 0).any()
        or starts[-1] > 1e6
    ):
        return None
    starts = starts + offset_s
    end_s = float(clock[-1, 1] + offset_s)
    inside = (starts[1:] > 0) & (starts[:-1] < window.limit_s)
    gap = (steps[inside] > 2 * SLACK_S).any()  # may be a damaged stretch: ffmpeg can tell
    # Ends that do not meet the next start are made up from the order of decoding, and the last of
    # them is the clip's.
    vague = (np.abs(clock[:-1, 1] - clock[1:, 0]) > CLOCK_S).any() or clock[-1, 1] <= clock[-1, 0]
    return None if gap or (vague and starts[-1] < window.limit_s) or end_s <= 0 else (starts, end_s)


def _usual_s(steps: np.ndarray) -> float:
    """How long a picture shows, from the (n − 1,) seconds between n pictures; of a single one, what is most common."""
    return float(np.median(steps)) if len(steps) else 0.04


def _read_with_ffmpeg(
    order: DecodeRequest, video: ffmpeg.VideoTrack, seek_s: float
) -> Pictures | None:
    """The pictures, or None where a seek to seek_s finds none: it fell behind the last key frame."""
    # Everything from the key frame on is read: an accurate seek would drop the picture that began
    # before the segment and is still showing when it starts.
    options = ffmpeg.input_options(seek_s)
    window, limits = order.window, order.limits
    pick = (
        f"settb=AVTB,setpts=PTS-{order.start_s * 1e6:.0f},showinfo=checksum=0,"
        f"setpts=PTS-{TIE_S * 1e6:.0f},fps={window.rate}:round=up:start_time=0"
    )
    count = window.count(window.limit_s) + 1  # one more shows that the pictures go on past the end
    output = ffmpeg_python.input(ffmpeg.INPUT, **options)["V:0"].output(
        "pipe:",
        vf=pick,
        f="image2pipe",
        vcodec="ppm",
        pix_fmt="rgb24",
        fps_mode="passthrough",
        **{"frames:v": count},
    )
    with ffmpeg.PictureRun(
        ffmpeg.compiled(output, order.path),
        order.path,
        limits.timeout_s,
        limits.max_side_px,
        window.start_s == 0,
    ) as run:
        frames = []
        for picture in run:
            frames.append(
                _resize(
                    _half(picture, order.crop), video.pixel_aspect, order.sampling.short_side_px
                )
            )
            if (
                run.starts_us
            ):  # what ffmpeg has met by now: a picture may claim to show for days, and fill them
                window.refuse_endless(run.starts_us[-1] / 1e6)
    if not run.starts_us and seek_s > 0:
        return None
    if not run.starts_us:
        state = "the file is truncated or damaged" if run.damaged else "the file may hold none"
        words = ffmpeg.last_words(list(run.lines))
        raise DecodeError(f"no picture of the video track could be read: {state} ({words})")
    starts = np.asarray(run.starts_us) / 1e6
    if (np.diff(starts) < -SLACK_S).any():
        at_s = starts[int(np.argmin(np.diff(starts)))]
        raise DecodeError(
            f"the file's clock jumps back at {at_s:.1f} s: it was joined from several; encode it once more"
        )
    starts = np.sort(starts)
    end_s = float(starts[-1]) + (run.last_us / 1e6 or _usual_s(np.diff(starts)))
    return Pictures(
        frames, float(starts[0]), end_s, _lost_s(starts, run, window.limit_s), run.damaged
    )


def _lost_s(starts: np.ndarray, run: ffmpeg.PictureRun, limit_s: float) -> float:
    """Seconds of the clip without a whole picture, where ffmpeg met damage; a gap alone is a slow picture rate."""
    if not run.damaged or len(starts) < 2:
        return 0.0
    steps = np.diff(starts)
    usual_s = _usual_s(steps)
    gaps = (steps > SLACK_S) & (starts[1:] > 0) & (starts[:-1] < limit_s)
    return float((steps[gaps] - usual_s).sum()) + run.concealed * usual_s


def _half(picture: np.ndarray, crop: Crop | None) -> np.ndarray:
    """(H, W, 3) → the (H, ⌈W/2⌉, 3) on one side, or all of it.

    Before the resize, so that the half gets all pixels.
    """
    width = picture.shape[1]
    if crop is None:
        return picture
    return picture[:, : (width + 1) // 2] if crop == "left" else picture[:, width // 2 :]


def _resize(picture: np.ndarray, pixel_aspect: float, short_side_px: int) -> np.ndarray:
    """(H, W, 3) uint8 → short side short_side_px, the other side as the picture is meant to be shown."""
    height, width = picture.shape[:2]
    aspect = width * pixel_aspect / height
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise DecodeError(
            f"the picture is {width} × {height} px: longer than {MAX_ASPECT:.0f} times its short side"
        )
    wide, high = max(aspect, 1.0) * short_side_px, max(1 / aspect, 1.0) * short_side_px
    image = Image.fromarray(picture).resize((round(wide), round(high)), Image.Resampling.BICUBIC)
    return np.asarray(image)
