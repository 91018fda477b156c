"""Frames and audio of one clip by the ffmpeg program: an independent second opinion on av_reader.

Its filter graph starts anew where a track changes its format, and its clock then begins at 0 s
again. Such files, and others that it does not read as they are meant, are handed over.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import ffmpeg as ffmpeg_python
import numpy as np

from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import TIE_S
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding import ffmpeg_probe
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.audio import is_silent
from semanticmac.preprocess.decoding.frames import FrameSizer
from semanticmac.preprocess.decoding.probe import MediaInfo, VideoTrack, first_complaint
from semanticmac.preprocess.decoding.request import (
    LEAD_S,
    MINUTE_S,
    OVERHANG_S,
    SLACK_S,
    DecodeRequest,
    HandOver,
    Limits,
    Media,
    Video,
)
from semanticmac.preprocess.decoding.timeline import usual_step_s

# Their headers state when the first frame is shown.
STATES_START = ("mov", "matroska")
DAMAGE_NOTE = (
    "ffmpeg met damaged data: frames predicted from damaged ones are not counted as damaged "
    "(--decoder av counts them)"
)
WholeRun = subprocess.CompletedProcess[bytes]


def read(request: DecodeRequest) -> Media:
    """Decode one clip."""
    info, whole = probe(request)
    video = read_video(request, info) if info.video else None
    audio = read_audio(request, info, whole) if info.audio_tracks else None
    return Media(info, video, audio)


def probe(request: DecodeRequest) -> tuple[MediaInfo, WholeRun | None]:
    """What the file holds, checked; for a whole file also the run that read its audio."""
    path = request.path
    whole = None
    if request.whole:
        whole = begin_whole(path, request.sampling, request.limits)
        info = _complete(path, ffmpeg_probe.header(whole.stderr))
    else:
        status = path.stat()
        info = _header(path, status.st_size, status.st_mtime_ns)
    _hand_over(info)
    request.check(info)
    return info, whole


def _hand_over(info: MediaInfo) -> None:
    """Raise HandOver for kinds of files that the program's defaults read wrongly."""
    video = info.video
    if info.container.split(",")[0] == "ogg":
        raise HandOver("an Ogg file may hold several recordings")
    if info.container.startswith("matroska") and info.start_s > SLACK_S:
        raise HandOver("its header may state its end instead of its length")
    if info.container == "mpeg":
        raise HandOver("time stamps in an mpg file may name the wrong frames")
    if info.video_tracks > 1 or info.audio_tracks > 1:
        raise HandOver("it has several tracks of a kind")
    if video and video.hdr:
        raise HandOver("it is HDR")
    if video and video.odd_turn:
        raise HandOver("its display matrix turns by no quarter of a circle")
    if video and video.interlaced:
        raise HandOver("it is interlaced")


@lru_cache(maxsize=16)
def _header(path: Path, size_bytes: int, changed_ns: int) -> MediaInfo:
    """Most corpora cut hundreds of clips from one film."""
    return _complete(path, ffmpeg_probe.probe(path))


def _complete(path: Path, info: MediaInfo) -> MediaInfo:
    """The header, with the start of the frames measured where the container does not state it."""
    if info.video is None or info.container.split(",")[0] in STATES_START:
        return info
    first_s = ffmpeg_probe.first_picture_s(path)
    if first_s is None:
        return info
    return replace(info, video=replace(info.video, start_s=first_s))


def read_video(request: DecodeRequest, info: MediaInfo) -> Video:
    """The frames at k/rate s.

    An inexact seek may land after the segment's start and miss the frame that was showing: then
    reading begins further back. HEVC is read from the start, for its key frames may be none.
    """
    segment, video = request.segment, info.video
    assert video is not None
    leads_s = (LEAD_S, 15 * LEAD_S, segment.start_s)
    if video.codec == "hevc":
        leads_s = (segment.start_s, segment.start_s, segment.start_s)
    for lead_s in leads_s:
        seek_s = max(0.0, segment.start_s - lead_s)
        frames = _read_from(request, info, video, seek_s)
        if frames and (frames.start_s <= 0 or seek_s == 0):
            return frames
    raise AssertionError("a reading from the start finds frames or raises")


def _read_from(
    request: DecodeRequest, info: MediaInfo, video: VideoTrack, seek_s: float
) -> Video | None:
    """The frames, or None where a seek to seek_s finds none: it fell behind the last key frame."""
    segment, limits = request.segment, request.limits
    origin_s = segment.start_s + info.zero_s
    # Repeated for a second, the last frame comes out: it stays while the audio goes on.
    pick = (
        f"settb=AVTB,setpts=PTS-{origin_s * 1e6:.0f},showinfo=checksum=0,"
        f"setpts=PTS-{TIE_S * 1e6:.0f},tpad=stop_mode=clone:stop_duration=1,"
        f"fps={segment.rate}:round=up:start_time=0"
    )
    # One more shows that the frames go on past the end.
    count = segment.count(segment.limit_s) + 1
    source = ffmpeg_python.input(ffmpeg.INPUT, **ffmpeg.input_options(seek_s, video.codec))
    output = source["V:0"].output(
        "pipe:",
        vf=pick,
        f="image2pipe",
        vcodec="ppm",
        pix_fmt="rgb24",
        fps_mode="passthrough",
        **{"frames:v": count},
    )
    sizer = FrameSizer(request.sampling.short_side_px, request.crop)
    frames = []
    words = ffmpeg.compiled(output, request.path)
    whole = segment.start_s == 0
    with ffmpeg.PictureRun(words, request.path, limits.timeout_s, limits.max_side_px, whole) as run:
        for picture in run:
            frames.append(sizer(picture, video.pixel_aspect))
            # A frame may claim to show for days, and fill them.
            if run.starts_us:
                segment.refuse_endless(run.starts_us[-1] / 1e6)
    if run.reconfigured:
        raise HandOver("its frames change their format")
    if not run.starts_us and seek_s > 0:
        return None
    if not run.starts_us:
        state = "the file is truncated or damaged" if run.damaged else "the file may hold none"
        complaint = first_complaint(list(run.lines))
        raise DecodeError(f"no picture of the video track could be read: {state} ({complaint})")
    return _video(request, run, frames)


def _video(request: DecodeRequest, run: ffmpeg.PictureRun, frames: list[np.ndarray]) -> Video:
    starts_s = np.asarray(run.starts_us) / 1e6
    steps = np.diff(starts_s)
    if (steps < -SLACK_S).any():
        at_s = starts_s[int(np.argmin(steps))]
        raise DecodeError(
            f"the file's clock jumps back at {at_s:.1f} s: it was joined from several; "
            "encode it once more"
        )
    starts_s = np.sort(starts_s)
    end_s = float(starts_s[-1]) + (run.last_us / 1e6 or usual_step_s(starts_s))
    if not frames:  # the clip begins after the last frame, which stays
        raise HandOver("the segment begins after the last frame")
    lost_s = _lost_s(starts_s, run, request.segment.limit_s)
    notes = (DAMAGE_NOTE,) if run.damaged else ()
    return Video(frames, float(starts_s[0]), end_s, lost_s, run.damaged, notes)


def _lost_s(starts_s: np.ndarray, run: ffmpeg.PictureRun, limit_s: float) -> float:
    """Seconds of the clip without a whole frame, where ffmpeg met damage.

    A gap alone is a slow frame rate.
    """
    if not run.damaged or len(starts_s) < 2:
        return 0.0
    steps, usual_s = np.diff(starts_s), usual_step_s(starts_s)
    gaps = (steps > SLACK_S) & (starts_s[1:] > 0) & (starts_s[:-1] < limit_s)
    return float((steps[gaps] - usual_s).sum()) + run.concealed * usual_s


def begin_whole(path: Path, sampling: Sampling, limits: Limits) -> WholeRun:
    """A run that prints the header of a file and reads its audio, as if its clock began at 0 s.

    It does in nearly every mp4; starting ffmpeg twice would cost more than all of the audio of a
    short clip.
    """
    return _run(path, 0.0, 0.0, limits.max_duration_s + 1, sampling, limits)


def read_audio(request: DecodeRequest, info: MediaInfo, whole: WholeRun | None) -> np.ndarray:
    """(n,) int16 mono from the clip's start to its end, the track's, or 1 s beyond the limit.

    whole: what begin_whole gave, where the clip is the whole file. It serves if the file's clock
    does begin at 0 s.
    """
    samples = _audio(request, info, whole)
    if is_silent(samples) and len(samples):
        raise HandOver("its sound is silent, or its channels cancel")
    return samples


def _audio(request: DecodeRequest, info: MediaInfo, whole: WholeRun | None) -> np.ndarray:
    segment = request.segment
    if whole is not None and info.zero_s == 0:
        return _checked(whole)
    if segment.wanted_s is None:
        return _alone(request, info)
    rate_hz = request.sampling.sample_rate_hz
    count = round(segment.wanted_s * rate_hz)
    minute = int(segment.start_s // MINUTE_S)
    within_s = segment.start_s - minute * MINUTE_S
    if within_s + segment.wanted_s <= MINUTE_S + OVERHANG_S:
        status = request.path.stat()
        samples = _minute(
            request.path,
            status.st_size,
            status.st_mtime_ns,
            info.zero_s,
            minute,
            request.sampling,
            request.limits,
        )
        first = round(within_s * rate_hz)
        if len(samples) >= first + count:
            return samples[first : first + count]
    # Also where the minute breaks off before the segment ends: the track ends there, or is
    # damaged before the segment.
    return _alone(request, info)[:count]


@lru_cache(maxsize=4)
def _minute(
    path: Path,
    size_bytes: int,
    changed_ns: int,
    zero_s: float,
    minute: int,
    sampling: Sampling,
    limits: Limits,
) -> np.ndarray:
    """(n,) int16: a minute of a file and its overhang, or the part of it that can be read.

    The last ones are remembered: segments follow one another closely. Where a minute begins does
    not depend on the segments that are asked for, so neither do their samples.
    """
    start_s = minute * MINUTE_S
    run = _run(path, start_s, start_s + zero_s, MINUTE_S + OVERHANG_S, sampling, limits)
    return _samples(run)


def _alone(request: DecodeRequest, info: MediaInfo) -> np.ndarray:
    segment = request.segment
    start_s = segment.start_s
    run = _run(
        request.path,
        start_s,
        start_s + info.zero_s,
        segment.limit_s + 1,
        request.sampling,
        request.limits,
    )
    return _checked(run)


def _run(
    path: Path, start_s: float, clock_s: float, length_s: float, sampling: Sampling, limits: Limits
) -> WholeRun:
    """start_s: seconds into the file at which the audio begins; clock_s: on the file's clock."""
    # What lies before the start is dropped; a track that starts late keeps its place, with silence
    # before it.
    place = (
        f"asetpts=PTS-{clock_s:.6f}/TB,atrim=start=0,aresample=async=1:first_pts=0,"
        f"atrim=end={length_s}"
    )
    options = ffmpeg.input_options(max(0.0, start_s - LEAD_S))
    output = ffmpeg_python.input(ffmpeg.INPUT, **options)["a:0"].output(
        "pipe:", af=place, ac=1, ar=sampling.sample_rate_hz, f="s16le"
    )
    return ffmpeg.execute(ffmpeg.compiled(output, path), path, limits.timeout_s)


def _checked(run: WholeRun) -> np.ndarray:
    if run.returncode < 0 or (run.returncode and not run.stdout):
        complaint = first_complaint(run.stderr.splitlines())
        raise DecodeError(f"the audio track cannot be read: {complaint}")
    return _samples(run)


def _samples(run: WholeRun) -> np.ndarray:
    if ffmpeg.reconfigured(run.stderr):
        raise HandOver("its sound changes its format")
    return np.frombuffer(run.stdout[: len(run.stdout) // 2 * 2], "<i2")
