"""Two streams of a cache, written clip by clip as stage 1 leaves them."""

from collections.abc import Sequence
from pathlib import Path

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.records import Embeddings
from semanticmac.cache.stream_catalogue import open_writer
from semanticmac.cache.streams import Streams


def streams_of(
    encoder: str = "tiny", vision: int = 8, audio: int = 8, trained: bool = True
) -> Streams:
    """A vision stream and an audio stream of these widths."""
    made = []
    for modality, width in (("vision", vision), ("audio", audio)):
        made.append(
            Fingerprint(modality, encoder, "architecture", "weights", trained, width, Sampling())
        )
    return Streams.group(made)


class StreamWriters:
    """Writes clips into one vision stream and one audio stream."""

    def __init__(self, layout: CacheLayout, streams: Streams, shard_bytes: int = 64 << 20) -> None:
        self.streams = streams
        self._writers = [open_writer(layout, stream) for stream in streams.all]
        for writer in self._writers:
            writer._shard_bytes = shard_bytes

    def add(self, key: str, embeddings: Embeddings) -> None:
        for writer, part in zip(self._writers, (embeddings.vision, embeddings.audio), strict=True):
            writer.add(key, part)

    def finish(self) -> None:
        for writer in self._writers:
            writer.finish()


def shards_of(layout: CacheLayout, streams: Streams) -> Sequence[Path]:
    """All shards of these streams."""
    shards: list[Path] = []
    for stream in streams.all:
        shards += sorted(layout.embeddings(stream).glob("shard-*.arrow"))
    return shards
