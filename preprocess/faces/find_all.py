"""Finds the faces of many decoded clips in worker processes.

Each worker reads the clip's video once more, for 6 frames a second in the wanted size. Where the
video is gone, cannot be read now, or is longer than LONGEST_S, the stored frames serve.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semanticmac.cache.face_records import pack_faces
from semanticmac.cache.frame_codec import unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.clip import Clip, DecodeError, is_there
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.decoding.isolation import CLIP_MEMORY_BYTES, CLIP_TIMEOUT_S, DecodedClip
from semanticmac.preprocess.faces.finder import DENSE_PER_ROW, FinderSpec, open_finder
from semanticmac.preprocess.process_pool import run_isolated

# 12 frames more for each second: two minutes of 1280 × 720 take 2 GB.
LONGEST_S = 120.0


@dataclass(frozen=True)
class FindJob:
    """One clip and one finder."""

    clip: Clip
    record: bytes  # the stored frames and audio
    finder: FinderSpec
    sampling: Sampling


@dataclass(frozen=True)
class FoundFaces:
    """The faces of one clip by each finder, or the reason why there are none."""

    decoded: DecodedClip
    records: Mapping[FinderSpec, bytes]
    reasons: Mapping[FinderSpec, str]


def find_all(
    decoded: Iterable[DecodedClip], finders: Sequence[FinderSpec], sampling: Sampling, workers: int
) -> Generator[FoundFaces, None, None]:
    """The faces of every clip, in order; a clip without a record passes through."""
    waiting: deque[DecodedClip] = deque()

    def jobs() -> Iterator[FindJob]:
        for clip in decoded:
            waiting.append(clip)
            if clip.record is not None:
                for finder in finders:
                    yield FindJob(clip.clip, clip.record, finder, sampling)

    records: dict[FinderSpec, bytes] = {}
    reasons: dict[FinderSpec, str] = {}
    results = run_isolated(
        find_and_pack,
        jobs(),
        workers=workers,
        timeout_s=CLIP_TIMEOUT_S,
        memory_bytes=CLIP_MEMORY_BYTES,
    )
    for result in results:
        while waiting[0].record is None:
            yield FoundFaces(waiting.popleft(), {}, {})
        if result.value is None:
            reasons[result.job.finder] = f"its faces could not be searched: {result.reason}"
        else:
            records[result.job.finder] = result.value
        if len(records) + len(reasons) == len(finders):
            yield FoundFaces(waiting.popleft(), records, reasons)
            records, reasons = {}, {}
    while waiting:
        yield FoundFaces(waiting.popleft(), {}, {})


def find_and_pack(job: FindJob) -> bytes:
    """What a worker runs."""
    raw = unpack(job.record)
    faces = open_finder(job.finder).find(raw, dense_frames(job, raw))
    return pack_faces(faces, job.sampling)


def dense_frames(job: FindJob, raw: RawClip) -> np.ndarray | None:
    """DENSE_PER_ROW frames for each row; None where the stored frames have to serve."""
    if raw.frames is None or raw.duration_s > LONGEST_S or not is_there(job.clip.video):
        return None
    sampling = replace(
        job.sampling,
        frames_per_s=DENSE_PER_ROW * job.sampling.frames_per_s,
        short_side_px=job.finder.face_px,
    )
    try:
        return decode_clip(job.clip, sampling).frames
    except DecodeError:
        return None
