"""The sound of one clip, by ffmpeg: of a whole file with its header in one run, of a segment out of its minute."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

import ffmpeg as ffmpeg_python
import numpy as np

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.request import LEAD_S, MINUTE_S, DecodeRequest, Limits

OVERHANG_S = 5.0  # read beyond a minute: few segments that start in it end later than that


def begin_whole(
    path: Path, sampling: Sampling, limits: Limits
) -> subprocess.CompletedProcess[bytes]:
    """A run that says the header of a file and reads its sound at once, as if the file's clock began at 0 s.

    It does in nearly every mp4; starting ffmpeg twice would cost more than all of the sound of a
    short clip.
    """
    return _run(path, 0.0, 0.0, limits.max_duration_s + 1, sampling, limits)


def read_sound(
    order: DecodeRequest, whole: subprocess.CompletedProcess[bytes] | None
) -> np.ndarray:
    """(n,) int16 mono from the clip's start, to its end, to that of the track, or to 1 s beyond what is read.

    whole: what begin_whole gave, where the clip is the whole file. It serves if the file's clock
    does begin at 0 s.
    """
    window = order.window
    if whole is not None and order.start_s == 0:
        return _checked(whole)
    if window.wanted_s is None:
        return _alone(order)
    rate_hz = order.sampling.sample_rate_hz
    count = round(window.wanted_s * rate_hz)
    minute = int(window.start_s // MINUTE_S)
    within_s = window.start_s - minute * MINUTE_S
    if within_s + window.wanted_s <= MINUTE_S + OVERHANG_S:
        found = order.path.stat()
        zero_s = order.header.zero_s
        sound = _minute(
            order.path,
            found.st_size,
            found.st_mtime_ns,
            zero_s,
            minute,
            order.sampling,
            order.limits,
        )
        first = round(within_s * rate_hz)
        if len(sound) >= first + count:
            return sound[first : first + count]
    # Also where the minute breaks off before the segment ends: the track ends there, or is damaged
    # before the segment.
    return _alone(order)[:count]


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
    """(n,) int16: a minute of a file and what overhangs, or what of it can be read, which may be nothing.

    The last ones are remembered: segments follow one another closely. Where a minute begins does
    not depend on the segments that are asked for, so neither does what any of them sounds like.
    """
    start_s = minute * MINUTE_S
    return _samples(_run(path, start_s, start_s + zero_s, MINUTE_S + OVERHANG_S, sampling, limits))


def _alone(order: DecodeRequest) -> np.ndarray:
    window = order.window
    return _checked(
        _run(
            order.path,
            window.start_s,
            order.start_s,
            window.limit_s + 1,
            order.sampling,
            order.limits,
        )
    )


def _run(
    path: Path, start_s: float, clock_s: float, length_s: float, sampling: Sampling, limits: Limits
) -> subprocess.CompletedProcess[bytes]:
    """start_s: seconds into the file at which the sound begins; clock_s: the same on the file's own clock."""
    # What lies before the start is dropped; a track that starts late keeps its place, with silence
    # before it.
    place = f"asetpts=PTS-{clock_s:.6f}/TB,atrim=start=0,aresample=async=1:first_pts=0,atrim=end={length_s}"
    options = ffmpeg.input_options(max(0.0, start_s - LEAD_S))
    output = ffmpeg_python.input(ffmpeg.INPUT, **options)["a:0"].output(
        "pipe:", af=place, ac=1, ar=sampling.sample_rate_hz, f="s16le"
    )
    return ffmpeg.execute(ffmpeg.compiled(output, path), path, limits.timeout_s)


def _checked(run: subprocess.CompletedProcess[bytes]) -> np.ndarray:
    if run.returncode < 0 or (run.returncode and not run.stdout):
        raise DecodeError(
            f"the audio track cannot be read: {ffmpeg.last_words(run.stderr.splitlines())}"
        )
    return _samples(run)


def _samples(run: subprocess.CompletedProcess[bytes]) -> np.ndarray:
    return np.frombuffer(run.stdout[: len(run.stdout) // 2 * 2], "<i2")
