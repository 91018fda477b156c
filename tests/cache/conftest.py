import numpy as np
import pytest

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings, RawClip

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
        "tiny", "architecture", "weights", trained=False, width=WIDTH, sampling=Sampling()
    )


@pytest.fixture
def embeddings():
    """Embeddings whose every number tells clip, frame and place, so that no row can be mistaken for another."""

    def make(clip: int, frames: int = 3, vision: bool = True, audio: bool = True) -> Embeddings:
        rows = (clip * 100 + np.arange(frames)[:, None] * 10 + np.arange(WIDTH)).astype(np.float16)
        return Embeddings(rows if vision else None, -rows if audio else None)

    return make
