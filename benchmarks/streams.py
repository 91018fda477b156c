"""A vision stream and an audio stream of numbers that a benchmark makes up."""

from __future__ import annotations

import numpy as np

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.stream_catalogue import open_writer
from semanticmac.cache.streams import Streams
from semanticmac.core import FRAME_MODALITIES


def made_up(encoder: str, width: int, architecture: str = "none") -> Streams:
    """Fingerprints of numbers that no encoder made."""
    fingerprints = []
    for modality in FRAME_MODALITIES:
        fingerprints.append(
            Fingerprint(modality, encoder, architecture, "none", True, width, Sampling())
        )
    return Streams.group(fingerprints)


class StreamWriters:
    """Writes clips into both streams."""

    def __init__(self, layout: CacheLayout, streams: Streams) -> None:
        self._writers = [open_writer(layout, stream) for stream in streams.all]

    def add(self, key: str, vision: np.ndarray, audio: np.ndarray) -> None:
        for writer, rows in zip(self._writers, (vision, audio), strict=True):
            writer.add(key, rows)

    def finish(self) -> None:
        for writer in self._writers:
            writer.finish()
