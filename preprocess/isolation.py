"""Decoding many clips, each where it can harm nobody: in a worker process, and again by ffmpeg where decord fell."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from semanticmac.cache.keys import Sampling
from semanticmac.cache.raw import pack
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decode import decode_clip
from semanticmac.preprocess.order import Decoder
from semanticmac.preprocess.workers import Result, run_isolated

CLIP_TIMEOUT_S = 900.0  # decoding an hour of 720p takes one core about 140 s; this is for files that hang
CLIP_MEMORY_BYTES = 6 << 30  # an hour of pictures at 2 a second is 2 GB, held twice while it is packed


@dataclass(frozen=True)
class Job:
    """One clip on its way to a worker."""

    clip: Clip
    sampling: Sampling
    decoder: Decoder = "auto"


@dataclass(frozen=True)
class Outcome:
    """What became of one clip: its packed record (cache/raw.py), or None and the reason."""

    clip: Clip
    record: bytes | None
    reason: str = ""


def decode_all(clips: Sequence[Clip], sampling: Sampling, workers: int) -> Generator[Outcome, None, None]:
    """Decodes clips in `workers` processes; outcomes come in the order of the clips.

    A clip that takes its worker down (a crash, a hang, too much memory) is tried once more with ffmpeg alone, which
    decodes outside the worker, before it counts as failed.
    """
    jobs = (Job(clip, sampling) for clip in clips)
    for result in _run(jobs, workers):
        if result.worker_lost:
            first = result.reason
            result = next(_run([Job(result.job.clip, sampling, "ffmpeg")], 1))
            if result.value is None:
                yield Outcome(result.job.clip, None, f"{first}; then by ffmpeg: {result.reason}")
                continue
        yield Outcome(result.job.clip, result.value, result.reason)


def decode_and_pack(job: Job) -> bytes:
    """What a worker runs."""
    return pack(decode_clip(job.clip, job.sampling, decoder=job.decoder), job.sampling)


def _run(jobs: Sequence[Job] | Iterator[Job], workers: int) -> Iterator[Result[Job, bytes]]:
    return run_isolated(
        decode_and_pack, jobs, workers=workers, timeout_s=CLIP_TIMEOUT_S, memory_bytes=CLIP_MEMORY_BYTES
    )
