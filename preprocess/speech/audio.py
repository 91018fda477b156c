"""The audio of a long file, piece by piece, read by worker processes as clips are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding.decode import STANDARD_SAMPLING, check_file
from semanticmac.preprocess.decoding.isolation import CLIP_MEMORY_BYTES, CLIP_TIMEOUT_S
from semanticmac.preprocess.decoding.request import DecodeRequest, Limits
from semanticmac.preprocess.process_pool import run_isolated

PIECE_S = 600.0
# More than any recording in one piece. It only ends a file that has no end.
LONGEST_S = 48 * 3600.0


@dataclass(frozen=True)
class AudioPiece:
    """A stretch of the audio of one file."""

    start_s: float
    samples: np.ndarray  # (n,) int16, 16 kHz mono; shorter than the piece at the end of the file
    total_s: float  # length of the audio track, from its packets
    notes: tuple[str, ...]  # about the whole file, such as which track was read


@dataclass(frozen=True)
class _Job:
    path: Path
    start_s: float


def read_pieces(path: Path) -> Iterator[AudioPiece]:
    """The audio of a file from its start, in pieces of ten minutes.

    Raises DecodeError if the file cannot be read or has no audio track.
    """
    ended = False

    def jobs() -> Iterator[_Job]:
        start_s = 0.0
        while not ended and start_s < LONGEST_S:
            yield _Job(path, start_s)
            start_s += PIECE_S

    results = run_isolated(
        read_piece,
        jobs(),
        workers=1,
        timeout_s=CLIP_TIMEOUT_S,
        memory_bytes=CLIP_MEMORY_BYTES,
        ahead=1,
    )
    for result in results:
        if result.value is None:
            raise DecodeError(result.reason)
        ended = len(result.value.samples) < round(PIECE_S * STANDARD_SAMPLING.sample_rate_hz)
        if len(result.value.samples) or result.value.start_s == 0:
            yield result.value


def read_piece(job: _Job) -> AudioPiece:
    """Runs in a worker; the file stays open there for the next piece."""
    from semanticmac.preprocess.decoding.av_audio import read_audio
    from semanticmac.preprocess.decoding.av_reader import open_file

    check_file(job.path)
    file = open_file(job.path)
    if not file.audio_streams:
        raise DecodeError("the file has no audio track that can be read")
    clip = Clip("", job.path, job.start_s, job.start_s + PIECE_S)
    request = DecodeRequest.of(clip, STANDARD_SAMPLING, Limits(max_duration_s=LONGEST_S))
    samples, notes = read_audio(file, request)
    total_s = file.audio_end_s() - file.info.zero_s
    return AudioPiece(job.start_s, samples, total_s, (*file.notes, *notes))
