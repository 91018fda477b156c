"""One clip → RawClip: its file checked, pictures (pictures.py) and sound (sound.py) cut to one length, with remarks."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip, DecodeError, RawClip
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.audio import begin_whole, read_sound
from semanticmac.preprocess.decoding.request import SLACK_S, Decoder, DecodeRequest, Limits, Segment
from semanticmac.preprocess.decoding.video import DECORD_CONTAINERS, Pictures, read_frames

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
    found = _check_file(clip.video)
    whole = None
    if clip.start_s == 0 and clip.end_s is None:
        whole = begin_whole(clip.video, sampling, limits)
        header = _complete(clip.video, ffmpeg.header(whole.stderr))
    else:
        header = _header(clip.video, found.st_size, found.st_mtime_ns)
    if header.video is None and not header.audio:
        raise DecodeError("the file has neither a video nor an audio track")
    order = DecodeRequest(
        clip.video, header, _window(clip, header, sampling, limits), sampling, limits, clip.crop
    )
    pictures = read_frames(order, header.video, decoder) if header.video else None
    sound = read_sound(order, whole) if header.audio else None
    duration_s = _duration(order, pictures, sound)
    return _assemble(order, duration_s, pictures, sound)


def _check_file(path: Path) -> os.stat_result:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise DecodeError(
            f"the file cannot be opened: {getattr(error, 'strerror', None) or error}"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise DecodeError("the path is a folder; expected a video or sound file")
    if not stat.S_ISREG(found.st_mode):
        raise DecodeError("the path is a device or a pipe; expected a video or sound file")
    if found.st_size == 0:
        raise DecodeError("the file is empty (0 bytes); download it again")
    return found


@lru_cache(maxsize=16)
def _header(path: Path, size_bytes: int, changed_ns: int) -> ffmpeg.Header:
    """Remembered while the file stays as it is: most corpora cut hundreds of clips from one film."""
    return _complete(path, ffmpeg.probe(path))


def _complete(path: Path, header: ffmpeg.Header) -> ffmpeg.Header:
    """The header, with the start of the pictures measured where the container does not state it."""
    if header.video is None or header.container.split(",")[0] in DECORD_CONTAINERS:
        return header
    first_s = ffmpeg.first_picture_s(path)
    return (
        header if first_s is None else replace(header, video=replace(header.video, start_s=first_s))
    )


def _window(clip: Clip, header: ffmpeg.Header, sampling: Sampling, limits: Limits) -> Segment:
    """The clip's place in the file, checked against what the header and the limits allow."""
    start_s, end_s = clip.start_s, clip.end_s
    if (
        not math.isfinite(start_s)
        or start_s < 0
        or (end_s is not None and not start_s < end_s < math.inf)
    ):
        raise DecodeError(
            f"the segment runs from {start_s} s to {end_s} s; expected 0 ≤ start < end"
        )
    if header.duration_s is not None and start_s >= header.duration_s + SLACK_S:
        raise DecodeError(_past_the_end(start_s, header.duration_s))
    wanted_s = None if end_s is None else end_s - start_s
    length_s = wanted_s if wanted_s is not None else (header.duration_s or 0.0) - start_s
    if length_s > limits.max_duration_s:
        raise DecodeError(_too_long(length_s, limits))
    return Segment(start_s, wanted_s, limits.max_duration_s, sampling.frames_per_s)


def _past_the_end(start_s: float, file_s: float) -> str:
    return f"the segment starts at {start_s:.2f} s, past the end of the file, which lasts {file_s:.2f} s"


def _too_long(length_s: float, limits: Limits) -> str:
    return f"the clip lasts {length_s:.0f} s; at most {limits.max_duration_s:.0f} s are read: give start and end times"


def _duration(order: DecodeRequest, pictures: Pictures | None, sound: np.ndarray | None) -> float:
    """The clip's length in seconds; a DecodeError where the file holds clearly less than was promised or asked for."""
    header, window = order.header, order.window
    sound_s = 0.0 if sound is None else len(sound) / order.sampling.sample_rate_hz
    end_s = sound_s if pictures is None else pictures.end_s
    if end_s <= 0:
        raise DecodeError(_past_the_end(window.start_s, window.start_s + end_s))
    promised_s = (
        None
        if header.duration_s is None
        else min(header.duration_s - window.start_s, window.limit_s)
    )
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
    window.refuse_endless(end_s)
    return round(min(end_s, window.limit_s), 6)


def _assemble(
    order: DecodeRequest, duration_s: float, pictures: Pictures | None, sound: np.ndarray | None
) -> RawClip:
    """Cut or pad pictures and sound to the duration, and say what a person should know of it."""
    return RawClip(
        frames=None
        if pictures is None
        else _at_length(pictures.frames, order.window.count(duration_s)),
        waveform=None
        if sound is None or not len(sound)
        else _sound_at_length(sound, duration_s, order.sampling),
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


def _notes(
    order: DecodeRequest, duration_s: float, pictures: Pictures | None, sound: np.ndarray | None
) -> Iterator[str]:
    window, sampling = order.window, order.sampling
    if pictures is None:
        yield "no video track"
    elif pictures.start_s > SLACK_S:
        yield f"the first picture comes at {pictures.start_s:.1f} s and stands for the time before it"
    if pictures is not None and pictures.lost_s > 0:
        yield f"{pictures.lost_s:.2f} s of the pictures are damaged or missing"
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
