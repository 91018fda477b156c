"""One clip → RawClip: checks the file, decodes it, cuts video and audio to one length, notes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip, DecodeError, RawClip
from semanticmac.preprocess.decoding.audio import is_silent
from semanticmac.preprocess.decoding.file_end import ends_early
from semanticmac.preprocess.decoding.request import (
    DEFAULT_DECODER,
    SLACK_S,
    Decoder,
    DecodeRequest,
    HandOver,
    Limits,
    Media,
    Reader,
    Video,
    starts_past_end,
)

STANDARD_SAMPLING = Sampling()
STANDARD_LIMITS = Limits()


def decode_clip(
    clip: Clip,
    sampling: Sampling = STANDARD_SAMPLING,
    *,
    decoder: Decoder = DEFAULT_DECODER,
    limits: Limits = STANDARD_LIMITS,
) -> RawClip:
    """Decode one clip, or raise a DecodeError whose message is the reason."""
    check_file(clip.video)
    request = DecodeRequest.of(clip, sampling, limits)
    notes: tuple[str, ...] = ()
    try:
        media = _reader(decoder)(request)
    except HandOver as reason:
        media = _reader("av")(request)
        notes = (f"read by av instead of {decoder}: {reason}",)
    duration_s = _duration(request, media)
    return RawClip(
        frames=_frames(request, duration_s, media.video),
        waveform=_waveform(request, duration_s, media.audio),
        duration_s=duration_s,
        notes=(*notes, *_notes(request, duration_s, media)),
    )


def check_file(path: Path) -> os.stat_result:
    """Raises DecodeError for what is no file to decode; a pipe or a device is never opened."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DecodeError(f"the file cannot be opened: {reason}") from None
    if stat.S_ISDIR(status.st_mode):
        raise DecodeError("the path is a folder; expected a video or sound file")
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError("the path is a device or a pipe; expected a video or sound file")
    if status.st_size == 0:
        raise DecodeError("the file is empty (0 bytes); download it again")
    return status


def _reader(decoder: Decoder) -> Reader:
    """Imported when used: a process that decodes by one library does not load the others."""
    if decoder == "av":
        from semanticmac.preprocess.decoding import av_reader

        return av_reader.read
    if decoder == "decord":
        from semanticmac.preprocess.decoding import decord_reader

        return decord_reader.read
    from semanticmac.preprocess.decoding import ffmpeg_reader

    return ffmpeg_reader.read


def _duration(request: DecodeRequest, media: Media) -> float:
    """The clip's length in seconds.

    Raises DecodeError where the file holds clearly less than its header says or the segment asks
    for.
    """
    segment, video = request.segment, media.video
    audio_s = _audio_s(request, media)
    end_s = _end_s(request, media)
    if end_s <= 0 and segment.start_s == 0:
        raise DecodeError(
            "no frame and no sound of the file could be read: it is truncated or damaged, "
            "or its codecs are not known"
        )
    if end_s <= 0:
        raise DecodeError(starts_past_end(segment.start_s, segment.start_s + end_s))
    _refuse_damage(request, media, end_s, audio_s)
    if segment.wanted_s is not None and end_s < segment.wanted_s - SLACK_S:
        raise DecodeError(
            f"the segment ends at {segment.start_s + segment.wanted_s:.2f} s, "
            f"past the end of the file, which lasts {segment.start_s + end_s:.2f} s"
        )
    if video is not None:
        segment.refuse_endless(video.end_s)
    segment.refuse_endless(end_s)
    return round(min(end_s, segment.limit_s), 6)


def _audio_s(request: DecodeRequest, media: Media) -> float:
    if media.audio is None:
        return 0.0
    return len(media.audio) / request.sampling.sample_rate_hz


def _end_s(request: DecodeRequest, media: Media) -> float:
    """Where the clip ends if no segment says so: with its frames, or with audio that goes on.

    Audio is longer than the frames by a codec's block in nearly every file. So it counts only
    where it goes on for more than half a second.
    """
    audio_s = _audio_s(request, media)
    if media.video is None:
        return audio_s
    if request.sampling.length == "pictures":
        return media.video.end_s
    slack_s = SLACK_S if request.segment.wanted_s is None else 0.0
    if audio_s > max(media.video.end_s, 0.0) + slack_s:
        return audio_s
    return media.video.end_s


def _promised_s(request: DecodeRequest, media: Media) -> float | None:
    """The clip's length as the header states it, and no longer than the segment."""
    if media.info.duration_s is None:
        return None
    segment = request.segment
    return min(media.info.duration_s - segment.start_s, segment.limit_s)


def _refuse_damage(request: DecodeRequest, media: Media, end_s: float, audio_s: float) -> None:
    info, segment, video = media.info, request.segment, media.video
    promised_s = _promised_s(request, media)
    if video and video.lost_s > SLACK_S:
        total_s = max(min(end_s, segment.limit_s), promised_s or 0.0)
        raise DecodeError(
            f"only {total_s - video.lost_s:.1f} s of {total_s:.1f} s could be read: "
            "the file is damaged in the middle; download it again"
        )
    # Where nothing is damaged, frames may rightly end before the audio does.
    damaged = video is not None and video.damaged
    reached_s = video.end_s if video is not None and damaged else max(end_s, audio_s)
    complete = promised_s is None or reached_s >= promised_s - SLACK_S
    if not complete and (info.only_av or damaged):
        raise DecodeError(
            f"only {max(reached_s, 0):.1f} s of {promised_s:.1f} s could be read: "
            "the file is truncated; download it again"
        )


def _frames(request: DecodeRequest, duration_s: float, video: Video | None) -> np.ndarray | None:
    """(F, H, W, 3): the last frame stays for as long as the clip lasts."""
    if video is None:
        return None
    count = request.segment.count(duration_s)
    frames = video.frames + video.frames[-1:] * (count - len(video.frames))
    return np.stack(frames[:count])


def _waveform(
    request: DecodeRequest, duration_s: float, audio: np.ndarray | None
) -> np.ndarray | None:
    """(N,) int16, N = round(duration_s · rate): the end is cut, or silence added."""
    if audio is None or not len(audio):
        return None
    waveform = np.zeros(round(duration_s * request.sampling.sample_rate_hz), np.int16)
    waveform[: len(audio)] = audio[: len(waveform)]
    return waveform


def _notes(request: DecodeRequest, duration_s: float, media: Media) -> Iterator[str]:
    """What a person should know of a clip that was decoded all the same."""
    segment, sampling, video, audio = request.segment, request.sampling, media.video, media.audio
    yield from media.notes
    if video is None:
        yield "no video track"
    elif video.start_s > SLACK_S:
        yield (
            f"the first picture comes at {video.start_s:.1f} s and stands for the time before it"
        )
    if video is not None:
        yield from video.notes
        if video.lost_s > 0:
            yield f"{video.lost_s:.2f} s of the pictures are damaged or missing"
        if video.end_s < duration_s - SLACK_S:
            end_s = max(video.end_s, 0.0)
            yield f"the pictures end after {end_s:.1f} s of {duration_s:.1f} s: the last one stays"
    if segment.wanted_s is None and ends_early(request.path):
        yield "the file ends before its container says: it is truncated, and its end is missing"
    promised_s = _promised_s(request, media)
    reached_s = max(_audio_s(request, media), video.end_s if video else 0.0)
    if promised_s is not None and reached_s < promised_s - SLACK_S:
        yield (
            f"the header says {promised_s:.1f} s, frames and sound end after {reached_s:.1f} s: "
            "another track lasts longer, or the file is truncated"
        )
    audio_s = _audio_s(request, media)
    if audio is None:
        yield "no audio track that can be read" if media.info.audio_tracks else "no audio track"
    elif not len(audio):
        yield "no sound in this part of the audio track"
    else:
        if audio_s < duration_s - SLACK_S:
            yield f"the sound ends after {audio_s:.1f} s of {duration_s:.1f} s"
        if is_silent(audio):
            yield "the sound is digital silence"
    if duration_s < 1 / sampling.frames_per_s:
        yield f"shorter than {1 / sampling.frames_per_s:g} s: one frame"
    if segment.wanted_s is not None and duration_s < segment.wanted_s - 0.05:
        yield f"the file ends {segment.wanted_s - duration_s:.2f} s before the segment does"
