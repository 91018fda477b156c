"""One clip → RawClip: the pictures that were showing at k/2 s, and the sound. The only door to decord.

decord picks by index and is fast, but wrong without a word on many kinds of file; those go to ffmpeg, which is right on
all of them. Both give pictures in native size, and one resize serves both, so a clip's pixels do not tell who read it.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import ffmpeg as ffmpeg_python
import numpy as np
from PIL import Image

from semanticmac.cache.keys import Sampling
from semanticmac.cache.raw import TIE_S, frame_count
from semanticmac.preprocess import ffmpeg
from semanticmac.preprocess.clip import Clip, DecodeError, RawClip

Decoder = Literal["auto", "ffmpeg"]
Crop = Literal["left", "right"]

SLACK_S = 0.5  # headers and label files are inexact by less than one sampling step; a larger lack is a failure
LEAD_S = 1.0  # decoded before a segment and thrown away: seeks are inexact, and an audio codec needs a run-in
CLOCK_S = 2e-3  # files whose clock counts milliseconds are even to this
MAX_ASPECT = 10.0
CHUNK_BYTES = 64 << 20  # native pictures that decord holds at a time

# decord is right on these and nowhere else (avi, wmv, mpg, ts, flv: wrong pictures, or a hang that only SIGKILL ends).
DECORD_CONTAINERS = ("mov", "matroska")
DECORD_CODECS = ("h264", "hevc", "vp8", "vp9")
DECORD_PIXELS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")  # it rounds deeper pixels differently
DECORD_MAX_S = 1024.0  # its clock is float32, which beyond this cannot tell a tick from the next


@dataclass(frozen=True)
class Limits:
    """What is refused before it takes memory or time."""

    max_duration_s: float = 3600.0  # of one clip; an hour of 16:9 pictures at 2 a second is 2 GB
    max_side_px: int = 8192
    timeout_s: float = 600.0  # of each run of ffmpeg


@dataclass(frozen=True)
class _Window:
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


@dataclass(frozen=True)
class _Order:
    """Everything that reading one clip goes by."""

    path: Path
    header: ffmpeg.Header
    window: _Window
    sampling: Sampling
    limits: Limits
    crop: Crop | None  # the half of every picture that is kept

    @property
    def start_s(self) -> float:
        """The clip's start on the file's own clock."""
        return self.window.start_s + self.header.zero_s


@dataclass(frozen=True)
class _Pictures:
    """Resized pictures at k/rate s, and how far the file's pictures go (seconds from the clip's start)."""

    frames: list[np.ndarray]
    start_s: float  # of the first picture that was found; negative: it was showing before the clip began
    end_s: float
    lost_s: float = 0.0  # damaged stretches inside
    damaged: bool = False


STANDARD_SAMPLING = Sampling()
STANDARD_LIMITS = Limits()


def decode_clip(
    clip: Clip,
    sampling: Sampling = STANDARD_SAMPLING,
    *,
    decoder: Decoder = "auto",
    limits: Limits = STANDARD_LIMITS,
) -> RawClip:
    """Decode one clip, or raise a DecodeError whose message is the reason.

    decoder="ffmpeg" leaves decord out: the second try after decord hung or crashed in its worker.
    """
    _check_file(clip.video)
    header = _with_first_picture(clip.video, ffmpeg.probe(clip.video))
    if header.video is None and not header.audio:
        raise DecodeError("the file has neither a video nor an audio track")
    order = _Order(clip.video, header, _window(clip, header, sampling, limits), sampling, limits, clip.crop)
    pictures = _read_pictures(order, header.video, decoder) if header.video else None
    sound = _read_sound(order) if header.audio else None
    duration_s = _duration(order, pictures, sound)
    return _assemble(order, duration_s, pictures, sound)


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise DecodeError(f"the file cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(found.st_mode):
        raise DecodeError("the path is a folder; expected a video or sound file")
    if not stat.S_ISREG(found.st_mode):
        raise DecodeError("the path is a device or a pipe; expected a video or sound file")
    if found.st_size == 0:
        raise DecodeError("the file is empty (0 bytes); download it again")


def _with_first_picture(path: Path, header: ffmpeg.Header) -> ffmpeg.Header:
    """The header, with the start of the pictures measured where the container does not state it."""
    if header.video is None or header.container.split(",")[0] in DECORD_CONTAINERS:
        return header
    first_s = ffmpeg.first_picture_s(path)
    return header if first_s is None else replace(header, video=replace(header.video, start_s=first_s))


def _window(clip: Clip, header: ffmpeg.Header, sampling: Sampling, limits: Limits) -> _Window:
    """The clip's place in the file, checked against what the header and the limits allow."""
    start_s, end_s = clip.start_s, clip.end_s
    if not math.isfinite(start_s) or start_s < 0 or (end_s is not None and not start_s < end_s < math.inf):
        raise DecodeError(f"the segment runs from {start_s} s to {end_s} s; expected 0 ≤ start < end")
    if header.duration_s is not None and start_s >= header.duration_s + SLACK_S:
        raise DecodeError(_past_the_end(start_s, header.duration_s))
    wanted_s = None if end_s is None else end_s - start_s
    length_s = wanted_s if wanted_s is not None else (header.duration_s or 0.0) - start_s
    if length_s > limits.max_duration_s:
        raise DecodeError(_too_long(length_s, limits))
    return _Window(start_s, wanted_s, limits.max_duration_s, sampling.frames_per_s)


def _past_the_end(start_s: float, file_s: float) -> str:
    return f"the segment starts at {start_s:.2f} s, past the end of the file, which lasts {file_s:.2f} s"


def _too_long(length_s: float, limits: Limits) -> str:
    return f"the clip lasts {length_s:.0f} s; at most {limits.max_duration_s:.0f} s are read: give start and end times"


def _read_pictures(order: _Order, video: ffmpeg.VideoTrack, decoder: Decoder) -> _Pictures:
    if max(video.width, video.height) > order.limits.max_side_px:
        raise DecodeError(
            f"the picture is {video.width} × {video.height} px; at most {order.limits.max_side_px} px a side are read"
        )
    if decoder == "auto" and _decord_is_right(order.header, video):
        found = _by_decord(order, video)
        if found is not None:
            return found
    # An inexact seek may land after the segment's start and miss the picture that was showing: then go further back.
    for lead_s in (LEAD_S, 15 * LEAD_S, order.window.start_s):
        seek_s = max(0.0, order.window.start_s - lead_s)
        found = _by_ffmpeg(order, video, seek_s)
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


def _by_decord(order: _Order, video: ffmpeg.VideoTrack) -> _Pictures | None:
    """The pictures, or None where decord fails or its timestamps are not to be trusted."""
    try:
        import decord
    except ImportError:  # has wheels for x86-64 only
        return None
    decord.logging.set_level(decord.logging.QUIET)
    try:
        # An absolute path: libav would take a relative one that begins with `concat:` for a protocol.
        reader = decord.VideoReader(str(order.path.absolute()), num_threads=1)
        clock = np.asarray(reader.get_frame_timestamp(np.arange(len(reader))), np.float64)  # (n, 2): from, to
        shown = _trusted(clock, video.start_s - order.start_s, order.window)
        if shown is None:
            return None
        starts, end_s = shown
        times = np.arange(order.window.count(min(end_s, order.window.limit_s))) / order.window.rate
        picks = np.maximum(np.searchsorted(starts, times + TIE_S, side="right") - 1, 0)
        step = max(1, CHUNK_BYTES // (video.width * video.height * 3 or 1))
        frames = [
            _resize(_half(picture, order.crop), video.pixel_aspect, order.sampling.short_side_px)
            for at in range(0, len(picks), step)
            for picture in reader.get_batch(picks[at : at + step]).asnumpy()
        ]
    except (RuntimeError, AssertionError, UnicodeError, decord.DECORDError):
        return None  # ffmpeg then says what is wrong with the file, or reads it
    return _Pictures(frames, float(starts[0]), end_s)


def _trusted(clock: np.ndarray, offset_s: float, window: _Window) -> tuple[np.ndarray, float] | None:
    """Start of every picture and end of the last, in seconds from the clip's start; None if anything looks odd.

    clock: (n, 2), decord's seconds from the track's first picture; negative: pictures that an edit list hides.
    """
    starts = clock[:, 0]
    steps = np.diff(starts)
    if not np.isfinite(clock).all() or not -TIE_S <= starts[0] <= TIE_S or (steps <= 0).any() or starts[-1] > 1e6:
        return None
    starts = starts + offset_s
    end_s = float(clock[-1, 1] + offset_s)
    inside = (starts[1:] > 0) & (starts[:-1] < window.limit_s)
    gap = (steps[inside] > 2 * SLACK_S).any()  # may be a damaged stretch: ffmpeg can tell
    # Ends that do not meet the next start are made up from the order of decoding, and the last of them is the clip's.
    vague = (np.abs(clock[:-1, 1] - clock[1:, 0]) > CLOCK_S).any() or clock[-1, 1] <= clock[-1, 0]
    return None if gap or (vague and starts[-1] < window.limit_s) or end_s <= 0 else (starts, end_s)


def _usual_s(steps: np.ndarray) -> float:
    """How long a picture shows, from the (n − 1,) seconds between n pictures; of a single one, what is most common."""
    return float(np.median(steps)) if len(steps) else 0.04


def _by_ffmpeg(order: _Order, video: ffmpeg.VideoTrack, seek_s: float) -> _Pictures | None:
    """The pictures, or None where a seek to seek_s finds none: it fell behind the last key frame."""
    # Everything from the key frame on is read: an accurate seek would drop the picture that began before the segment
    # and is still showing when it starts.
    options = ffmpeg.input_options(seek_s)
    window, limits = order.window, order.limits
    pick = (
        f"settb=AVTB,setpts=PTS-{order.start_s * 1e6:.0f},showinfo=checksum=0,"
        f"setpts=PTS-{TIE_S * 1e6:.0f},fps={window.rate}:round=up:start_time=0"
    )
    count = window.count(window.limit_s) + 1  # one more shows that the pictures go on past the end
    output = ffmpeg_python.input(ffmpeg.INPUT, **options)["V:0"].output(
        "pipe:", vf=pick, f="image2pipe", vcodec="ppm", pix_fmt="rgb24", fps_mode="passthrough", **{"frames:v": count}
    )
    with ffmpeg.PictureRun(
        ffmpeg.compiled(output, order.path), order.path, limits.timeout_s, limits.max_side_px
    ) as run:
        frames = [
            _resize(_half(picture, order.crop), video.pixel_aspect, order.sampling.short_side_px) for picture in run
        ]
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
    return _Pictures(frames, float(starts[0]), end_s, _lost_s(starts, run, window.limit_s), run.damaged)


def _lost_s(starts: np.ndarray, run: ffmpeg.PictureRun, limit_s: float) -> float:
    """Seconds of the clip without a whole picture, where ffmpeg met damage; a gap alone is a slow picture rate."""
    if not run.damaged or len(starts) < 2:
        return 0.0
    steps = np.diff(starts)
    usual_s = _usual_s(steps)
    gaps = (steps > SLACK_S) & (starts[1:] > 0) & (starts[:-1] < limit_s)
    return float((steps[gaps] - usual_s).sum()) + run.concealed * usual_s


def _half(picture: np.ndarray, crop: Crop | None) -> np.ndarray:
    """(H, W, 3) → the (H, ⌈W/2⌉, 3) on one side, or all of it. Before the resize, so that the half gets all pixels."""
    width = picture.shape[1]
    if crop is None:
        return picture
    return picture[:, : (width + 1) // 2] if crop == "left" else picture[:, width // 2 :]


def _resize(picture: np.ndarray, pixel_aspect: float, short_side_px: int) -> np.ndarray:
    """(H, W, 3) uint8 → short side short_side_px, the other side as the picture is meant to be shown."""
    height, width = picture.shape[:2]
    aspect = width * pixel_aspect / height
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise DecodeError(f"the picture is {width} × {height} px: longer than {MAX_ASPECT:.0f} times its short side")
    wide, high = max(aspect, 1.0) * short_side_px, max(1 / aspect, 1.0) * short_side_px
    image = Image.fromarray(picture).resize((round(wide), round(high)), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _read_sound(order: _Order) -> np.ndarray:
    """(n,) int16 mono from the clip's start, to its end, to that of the track, or to 1 s beyond what is read."""
    # What lies before the segment is dropped; a track that starts late keeps its place, with silence before it.
    place = (
        f"asetpts=PTS-{order.start_s:.6f}/TB,atrim=start=0,"
        f"aresample=async=1:first_pts=0,atrim=end={order.window.limit_s + 1}"
    )
    options = ffmpeg.input_options(max(0.0, order.window.start_s - LEAD_S))
    output = ffmpeg_python.input(ffmpeg.INPUT, **options)["a:0"].output(
        "pipe:", af=place, ac=1, ar=order.sampling.sample_rate_hz, f="s16le"
    )
    run = ffmpeg.execute(ffmpeg.compiled(output, order.path), order.path, order.limits.timeout_s)
    if run.returncode < 0 or (run.returncode and not run.stdout):
        raise DecodeError(f"the audio track cannot be read: {ffmpeg.last_words(run.stderr.splitlines())}")
    sound = np.frombuffer(run.stdout[: len(run.stdout) // 2 * 2], "<i2")
    wanted_s = order.window.wanted_s
    return sound if wanted_s is None else sound[: round(wanted_s * order.sampling.sample_rate_hz)]


def _duration(order: _Order, pictures: _Pictures | None, sound: np.ndarray | None) -> float:
    """The clip's length in seconds; a DecodeError where the file holds clearly less than was promised or asked for."""
    header, window = order.header, order.window
    sound_s = 0.0 if sound is None else len(sound) / order.sampling.sample_rate_hz
    end_s = sound_s if pictures is None else pictures.end_s
    if end_s <= 0:
        raise DecodeError(_past_the_end(window.start_s, window.start_s + end_s))
    promised_s = None if header.duration_s is None else min(header.duration_s - window.start_s, window.limit_s)
    if pictures and pictures.lost_s > SLACK_S:
        total_s = max(min(end_s, window.limit_s), promised_s or 0.0)
        raise DecodeError(
            f"only {total_s - pictures.lost_s:.1f} s of {total_s:.1f} s could be read: "
            "the file is damaged in the middle; download it again"
        )
    # Where nothing is damaged, pictures may rightly end before the sound does.
    reached_s = end_s if pictures is None or pictures.damaged else max(end_s, sound_s)
    complete = promised_s is None or reached_s >= promised_s - SLACK_S
    if not complete and (header.only_av or (pictures is not None and pictures.damaged)):
        raise DecodeError(
            f"only {reached_s:.1f} s of {promised_s:.1f} s could be read: the file is truncated; download it again"
        )
    if window.wanted_s is not None and end_s < window.wanted_s - SLACK_S:
        raise DecodeError(
            f"the segment ends at {window.start_s + window.wanted_s:.2f} s, past the end of the file, "
            f"which lasts {window.start_s + end_s:.2f} s"
        )
    if window.wanted_s is None and end_s > window.max_s:
        raise DecodeError(f"the clip lasts over {window.max_s:.0f} s, the most that is read: give start and end times")
    return round(min(end_s, window.limit_s), 6)


def _assemble(order: _Order, duration_s: float, pictures: _Pictures | None, sound: np.ndarray | None) -> RawClip:
    """Cut or pad pictures and sound to the duration, and say what a person should know of it."""
    return RawClip(
        frames=None if pictures is None else _at_length(pictures.frames, order.window.count(duration_s)),
        waveform=None if sound is None or not len(sound) else _sound_at_length(sound, duration_s, order.sampling),
        duration_s=duration_s,
        notes=tuple(_notes(order, duration_s, pictures, sound)),
    )


def _at_length(frames: list[np.ndarray], count: int) -> np.ndarray:
    """(count, H, W, 3): the last picture stays where it goes on showing."""
    return np.stack((frames + frames[-1:] * (count - len(frames)))[:count])


def _sound_at_length(sound: np.ndarray, duration_s: float, sampling: Sampling) -> np.ndarray:
    """(N,) int16, N = round(duration_s · rate): the end is cut, or silence added."""
    waveform = np.zeros(round(duration_s * sampling.sample_rate_hz), np.int16)
    waveform[: len(sound)] = sound[: len(waveform)]
    return waveform


def _notes(order: _Order, duration_s: float, pictures: _Pictures | None, sound: np.ndarray | None) -> Iterator[str]:
    window, sampling = order.window, order.sampling
    if pictures is None:
        yield "no video track"
    elif pictures.start_s > SLACK_S:
        yield f"the first picture comes at {pictures.start_s:.1f} s and stands for the time before it"
    if sound is None:
        yield "no audio track"
    elif not len(sound):
        yield "no sound in this part of the audio track"
    elif len(sound) / sampling.sample_rate_hz < duration_s - SLACK_S:
        yield f"the sound ends after {len(sound) / sampling.sample_rate_hz:.1f} s of {duration_s:.1f} s"
    if duration_s < 1 / sampling.frames_per_s:
        yield f"shorter than {1 / sampling.frames_per_s:g} s: one frame"
    if window.wanted_s is not None and duration_s < window.wanted_s - 0.05:
        yield f"the file ends {window.wanted_s - duration_s:.2f} s before the segment does"
