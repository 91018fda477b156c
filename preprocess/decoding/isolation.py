"""Decodes many clips in worker processes. A second decoder tries a clip that ends its worker."""

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

# Decoding an hour of 720p takes one core about 140 s. The limit is for files that hang.
CLIP_TIMEOUT_S = 900.0
# An hour of frames at 2 per second takes 2 GB, and twice as much while it is packed.
CLIP_MEMORY_BYTES = 6 << 30


@dataclass(frozen=True)
class Job:
    """One clip for a worker to decode."""

    clip: Clip
    sampling: Sampling
    decoder: Decoder = DEFAULT_DECODER


@dataclass(frozen=True)
class DecodedClip:
    """A clip after decoding, on its way to the encoder."""

    clip: Clip
    record: bytes | None  # packed frames and audio; None: it failed, or nothing is to be encoded
    reason: str = ""  # why it failed


def decode_all(
    clips: Iterable[Clip],
    sampling: Sampling,
    workers: int,
    ahead: int = LOOK_AHEAD,
    decoder: Decoder = DEFAULT_DECODER,
) -> Generator[DecodedClip, None, None]:
    """Decodes clips in `workers` processes. The results come in the order of the clips.

    A clip that ends its worker (a crash, a hang, too much memory) is tried once more with another
    decoder before it counts as failed. ahead=1 with one worker gives each result before
    the next clip is asked for; otherwise neighbouring segments of one file go to one worker.
    """
    second: Decoder = "av" if decoder == "ffmpeg" else "ffmpeg"
    jobs = (Job(clip, sampling, decoder) for clip in clips)
    for result in _run(jobs, workers, ahead):
        if not result.worker_lost:
            yield DecodedClip(result.job.clip, result.value, _reason(result))
            continue
        again = next(_run([Job(result.job.clip, sampling, second)], 1))
        reason = _reason(again)
        if again.value is None:
            reason = f"{result.reason}; then by {second}: {reason}"
        yield DecodedClip(result.job.clip, again.value, reason)


def decode_and_pack(job: Job) -> bytes:
    """What a worker runs."""
    return pack(decode_clip(job.clip, job.sampling, decoder=job.decoder), job.sampling)


def _reason(result: Result[Job, bytes]) -> str:
    """Why there is no record.

    The message of an unexpected error may be empty or only a key, so its type is named too.
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
    """The file and minute of a clip. Neighbours with the same pair go to one worker.

    The worker keeps the file open, and the audio of that minute in memory.
    """
    return job.clip.video, job.clip.start_s // MINUTE_S
