import numpy as np
import pytest
from support.batches import CLIPS
from support.streams import StreamWriters, streams_of

from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import StreamReader
from semanticmac.cache.records import Embeddings, RawClip
from semanticmac.core import Task

WIDTH = 8


@pytest.fixture
def raw():
    """Builds a decoded clip of noise."""

    def make(frames: int = 3, samples: int = 24_000) -> RawClip:
        random = np.random.default_rng(0)
        pictures = random.integers(0, 256, (frames, 224, 300, 3), dtype=np.uint8)
        sound = random.integers(-32768, 32768, samples).astype(np.int16)
        return RawClip(pictures, sound, samples / 16_000, ("a note",))

    return make


@pytest.fixture
def fingerprint() -> Fingerprint:
    return Fingerprint(
        "vision", "tiny", "architecture", "weights", trained=False, width=WIDTH, sampling=Sampling()
    )


@pytest.fixture
def embeddings():
    """Embeddings in which each number shows its clip, frame and column."""

    def make(clip: int, frames: int = 3, vision: bool = True, audio: bool = True) -> Embeddings:
        rows = (clip * 100 + np.arange(frames)[:, None] * 10 + np.arange(WIDTH)).astype(np.float16)
        return Embeddings(rows if vision else None, -rows if audio else None)

    return make


@pytest.fixture
def rows(embeddings):
    """The vision of `embeddings`; None for a clip without frames."""

    def make(clip: int, frames: int = 3, present: bool = True) -> np.ndarray | None:
        return embeddings(clip, frames, vision=present).vision

    return make


@pytest.fixture
def dataset(tmp_path, embeddings) -> ClipDataset:
    """Clips of 1 to 4 frames; every third lacks sound, and the one after it pictures."""
    layout, streams = CacheLayout(tmp_path), streams_of(vision=WIDTH, audio=WIDTH)
    writer = StreamWriters(layout, streams, shard_bytes=4000)
    rows = []
    for i in range(CLIPS):
        frames, sees, hears = 1 + i % 4, i % 3 != 1, i % 3 != 0
        writer.add(str(i), embeddings(i, frames, sees, hears))
        label = None if i == 5 else [float(i)]
        rows.append(
            Row(
                f"clip {i}",
                str(i),
                "",
                0.0,
                None,
                "x" * i,
                "train",
                frames,
                frames / 2,
                sees,
                hears,
                label,
            )
        )
    writer.finish()
    manifest = Manifest("some", Task("regression", high=20.0), Sampling(), tuple(rows))
    return ClipDataset(manifest, StreamReader(layout, streams), rows)
