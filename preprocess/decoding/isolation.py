"""Decodes many clips, each in a worker process that may die, and again by a second decoder."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.frame_codec import pack
from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, MINUTE_S, Decoder
from semanticmac.preprocess.process_pool import LOOK_AHEAD, Result, run_isolated

# decoding an hour of 720p takes one core about 140 s; this is for files that hang
CLIP_TIMEOUT_S = 900.0
# an hour of pictures at 2 a second is 2 GB, held twice while it is packed
CLIP_MEMORY_BYTES = 6 << 30


@dataclass(frozen=True)
class Job:
    """One clip on its way to a worker."""

    clip: Clip
    sampling: Sampling
    decoder: Decoder = DEFAULT_DECODER


@dataclass(frozen=True)
class Outcome:
    """The result for one clip: its packed record (cache/frame_codec.py), or None and the reason."""

    clip: Clip
    record: bytes | None
    reason: str = ""


def decode_all(
    clips: Iterable[Clip],
    sampling: Sampling,
    workers: int,
    ahead: int = LOOK_AHEAD,
    decoder: Decoder = DEFAULT_DECODER,
) -> Generator[Outcome, None, None]:
    """Decodes clips in `workers` processes; outcomes come in the order of the clips.

    A clip that takes its worker down (a crash, a hang, too much memory) is tried once more with
    another decoder before it counts as failed. ahead=1 with one worker gives each outcome before
    the next clip is asked for; otherwise neighbouring segments of one file go to one worker.
    """
    second: Decoder = "av" if decoder == "ffmpeg" else "ffmpeg"
    jobs = (Job(clip, sampling, decoder) for clip in clips)
    for result in _run(jobs, workers, ahead):
        if not result.worker_lost:
            yield Outcome(result.job.clip, result.value, _reason(result))
            continue
        again = next(_run([Job(result.job.clip, sampling, second)], 1))
        reason = _reason(again)
        if again.value is None:
            reason = f"{result.reason}; then by {second}: {reason}"
        yield Outcome(result.job.clip, again.value, reason)


def decode_and_pack(job: Job) -> bytes:
    """What a worker runs."""
    return pack(decode_clip(job.clip, job.sampling, decoder=job.decoder), job.sampling)


def _reason(result: Result[Job, bytes]) -> str:
    """Why there is no record.

    An error that nobody foresaw names its type: its words alone may be none, or a key.
    """
    if result.outcome != "raised" or result.error_type == DecodeError.__name__:
        return result.reason
    return f"{result.error_type}: {result.reason}"


def _run(
    jobs: Iterable[Job], workers: int, ahead: int = LOOK_AHEAD
) -> Iterator[Result[Job, bytes]]:
    return run_isolated(
        decode_and_pack,
        jobs,
        workers=workers,
        timeout_s=CLIP_TIMEOUT_S,
        memory_bytes=CLIP_MEMORY_BYTES,
        together=same_minute if ahead > 1 else None,
        ahead=ahead,
    )


def same_minute(job: Job) -> tuple[Path, float]:
    """Neighbouring segments of one file go to one worker.

    It keeps the file open, and the minute's audio.
    """
    return job.clip.video, job.clip.start_s // MINUTE_S
