"""A small cache with two vision streams and one of audio, of a dataset with three splits."""

from pathlib import Path

import numpy as np

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import open_writer, record_last
from semanticmac.core import Task

FACES_SPEC = "faces:/home/me/yunet.onnx@448:clip:/home/me/clip-large"
SPLITS = ("train", "train", "valid", "test", "train", None, "test")


def stream(modality: str, encoder: str, width: int, spec: str = "") -> Fingerprint:
    weights = f"{len(encoder):064x}"
    return Fingerprint(modality, encoder, "a" * 64, weights, True, width, Sampling(), spec=spec)


STREAMS = (
    stream("vision", "imagebind-huge", 4),
    stream(
        "vision", "faces-clip-large", 3, "faces:/home/me/yunet.onnx@448:clip:/home/me/clip-large"
    ),
    stream("audio", "wavlm-large@layer12", 5, "wavlm:microsoft/wavlm-large@layer12"),
)


def fill_cache(root: Path) -> CacheLayout:
    """Clip 3 has no audio; the face encoder refused clip 4; clips 0 and 6 have the same content."""
    layout = CacheLayout(root)
    rng = np.random.default_rng(0)
    rows = []
    for number, split in enumerate(SPLITS):
        key = f"{number % 6:032x}"
        count = 2 + number % 3
        label = [float(number) - 3.0]
        rows.append(
            Row(
                f"clip {number}", key, f"{number}.mp4", 0.0, None, f"text, “{number}”", split,
                count, count / 2, True, number != 3, label, speaker="Anna", position=None,
            )
        )  # fmt: skip
    for fingerprint in STREAMS:
        writer = open_writer(layout, fingerprint)
        for number, row in enumerate(rows[:6]):
            if fingerprint.encoder.startswith("faces") and number == 4:
                writer.fail(row.key, "its faces could not be searched")
            elif fingerprint.modality == "audio" and number == 3:
                writer.add(row.key, None)
            else:
                numbers = rng.normal(size=(row.frames, fingerprint.width)).astype(np.float16)
                writer.add(row.key, numbers)
        writer.finish()
    task = Task("regression", low=-3.0, high=3.0)
    manifest = Manifest("mosi", task, Sampling(), tuple(rows), ("a note",))
    manifest.write(layout.manifest("mosi"))
    record_last(layout, "mosi", [STREAMS[0], STREAMS[2]])
    layout.mark_built("mosi")
    return layout


def embedding_bytes(layout: CacheLayout) -> dict[str, bytes]:
    """The bytes of every shard and index, by their path below the cache."""
    content = {}
    for path in sorted((layout.root / "embeddings").rglob("*")):
        if path.is_file() and path.name != "fingerprint.json":
            content[path.relative_to(layout.root).as_posix()] = path.read_bytes()
    return content
