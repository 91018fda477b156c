"""How long media files last, from their headers, before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.preprocess.decoding.decode import check_file
from semanticmac.preprocess.decoding.isolation import CLIP_MEMORY_BYTES
from semanticmac.preprocess.process_pool import run_isolated

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class MediaLength:
    """The length of one file, and whether it has an audio track that can be read."""

    seconds: float
    has_audio: bool


def media_lengths(paths: Sequence[Path], workers: int) -> dict[Path, MediaLength]:
    """The lengths of files, read by worker processes. A file that cannot be opened is left out."""
    unique = list(dict.fromkeys(paths))
    results = run_isolated(
        media_length, unique, workers=workers, timeout_s=TIMEOUT_S, memory_bytes=CLIP_MEMORY_BYTES
    )
    lengths: dict[Path, MediaLength] = {}
    for result in results:
        if result.value is not None:
            lengths[result.job] = result.value
    return lengths


def media_length(path: Path) -> MediaLength:
    """Runs in a worker. The times of all packets are read where the header does not tell."""
    from semanticmac.preprocess.decoding.av_file import header_length
    from semanticmac.preprocess.decoding.av_reader import open_file
    from semanticmac.preprocess.decoding.timeline import last_end_s

    check_file(path)
    seconds, has_audio = header_length(path)
    if seconds is None:
        file = open_file(path)
        seconds = max(0.0, last_end_s(file.tables.values()) - file.info.zero_s)
    return MediaLength(seconds, has_audio)
