"""Jobs of the encoders: packed clips, one by one or in groups → their embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from semanticmac.cache.face_records import unpack_faces
from semanticmac.cache.frame_codec import RecordError, unpack
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.encoders.faces import FaceEncoder
from semanticmac.preprocess.encoders.protocol import (
    EncodeError,
    Encoder,
    encode_clips,
    require_content,
)
from semanticmac.preprocess.faces.stored import FaceInput

# Clips that a GPU encodes together, and the size of their records, at most.
GROUP_CLIPS = 16
GROUP_BYTES = 4 << 20


@dataclass(frozen=True)
class EncodeJob:
    """A clip before the encoders."""

    clip: Clip
    record: bytes | None  # the packed clip; None: there is nothing to encode
    encoders: tuple[int, ...] = ()  # positions of the encoders whose stream lacks the clip
    # Position → the faces of the clip, for encoders that read faces.
    faces: Mapping[int, FaceInput] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoding:
    """The result of one encoder for one clip."""

    encoder: int  # its position
    embeddings: np.ndarray | None  # (F, E) float16; None: the clip lacks the modality, or it failed
    reason: str = ""  # why it failed


def groups_of_jobs(jobs: Iterable[EncodeJob]) -> Iterator[list[EncodeJob]]:
    """Neighbouring jobs that a GPU takes together."""
    group: list[EncodeJob] = []
    size = 0
    for job in jobs:
        group.append(job)
        size += len(job.record or b"")
        if len(group) >= GROUP_CLIPS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def encode_jobs(
    encoders: Sequence[Encoder], jobs: Sequence[EncodeJob]
) -> list[tuple[Encoding, ...]]:
    """The embeddings of packed clips, each by the encoders of its job; none without a record.

    An encoder on a GPU may read them together.
    """
    encodings: list[list[Encoding]] = []
    unpacked: dict[int, RawClip] = {}
    for number, job in enumerate(jobs):
        encodings.append([])
        if job.record is None:
            continue
        try:
            raw = unpack(job.record)
            require_content(raw)
        except (RecordError, EncodeError) as error:
            encodings[number] += [Encoding(i, None, str(error)) for i in job.encoders]
        else:
            unpacked[number] = raw

    for position, encoder in enumerate(encoders):
        numbers = [number for number in unpacked if position in jobs[number].encoders]
        if isinstance(encoder, FaceEncoder):
            for number in numbers:
                faces = jobs[number].faces.get(position)
                encodings[number].append(_of_faces(position, encoder, unpacked[number], faces))
            continue
        results = encode_clips(encoder, [unpacked[number] for number in numbers])
        for number, result in zip(numbers, results, strict=True):
            reason = str(result) if isinstance(result, EncodeError) else ""
            embeddings = None if isinstance(result, EncodeError) else result
            encodings[number].append(Encoding(position, embeddings, reason))
    return [tuple(made) for made in encodings]


def _of_faces(
    position: int, encoder: FaceEncoder, raw: RawClip, faces: FaceInput | None
) -> Encoding:
    try:
        if faces is None:
            return Encoding(position, encoder.encode(raw))
        if faces.record is None:
            return Encoding(position, None, faces.reason)
        return Encoding(position, encoder.encode_faces(unpack_faces(faces.record), raw))
    except (EncodeError, RecordError) as error:
        return Encoding(position, None, str(error))
