"""A corpus of planted embeddings: unimodal affects are known exactly, and no video is needed.

The clips, texts and labels are those of a demo corpus (preprocess/demo/plan.py). Faces and voices
are not rendered: the embedding of each frame is drawn around the true affect of its modality. The
identity of the speaker and noise are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.streams import StreamWriters, made_up
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import record_last
from semanticmac.core import Task
from semanticmac.preprocess.demo.plan import DemoSpec, Record, plan

NAME = "planted"
WIDTH = 48
FRAMES = (4, 11)  # least and most of a clip, most left out
IDENTITY = 1.0  # spread of what is the same in all clips of a speaker, beside an affect of spread 1
FRAME_NOISE = 2.0  # spread of what changes from frame to frame


@dataclass(frozen=True)
class _World:
    """The directions of affect and identity, (2, WIDTH) per modality; the same for all clips."""

    affect: dict[str, np.ndarray]
    seed: int

    def frames(
        self, modality: str, affect: float, record: Record, rng: np.random.Generator, count: int
    ) -> np.ndarray:
        """(count, WIDTH) float16 around an affect in −3 … 3."""
        identity = (
            np.random.default_rng((self.seed, 7, record.speaker_number)).standard_normal(WIDTH)
            * IDENTITY
        )
        level = affect / np.sqrt(3)  # spread 1
        # The second direction is affect squared: strength without its sign, so that a line is not
        # all there is to find.
        signal = np.array([level, level**2 - 1]) @ self.affect[modality]
        noise = rng.standard_normal((count, WIDTH)) * FRAME_NOISE
        return (signal + identity + noise).astype(np.float16)


def write_planted(layout: CacheLayout, clips: int, seed: int) -> Manifest:
    """Writes a cache with a planted corpus; clips are split 11 : 2 : 3 (train, valid, test)."""
    rng = np.random.default_rng((seed, 5))
    world = _World({name: rng.standard_normal((2, WIDTH)) for name in ("audio", "vision")}, seed)
    streams = made_up("planted", WIDTH, f"seed {seed}")
    writer = StreamWriters(layout, streams)
    rows = []
    for record in plan(DemoSpec(seed=seed, clips=clips)):
        draw = np.random.default_rng((seed, 6, record.index))
        count = int(draw.integers(*FRAMES))
        key = f"planted-{seed}-{record.index:06d}"
        vision = world.frames("vision", record.label_vision, record, draw, count)
        audio = world.frames("audio", record.label_audio, record, draw, count)
        writer.add(key, vision, audio)
        rows.append(_row(record, key, count))
    writer.finish()
    manifest = Manifest(NAME, Task("regression", low=-3.0, high=3.0), Sampling(), tuple(rows))
    record_last(layout, NAME, streams.all)
    manifest.write(layout.manifest(NAME))
    return manifest


def _row(record: Record, key: str, frames: int) -> Row:
    return Row(
        clip_id=record.clip_id,
        key=key,
        video=Path(record.file).name,
        start_s=0.0,
        end_s=None,
        text=record.text,
        split=record.split,
        frames=frames,
        duration_s=frames / 2,
        has_vision=True,
        has_audio=True,
        label=[record.label],
        label_text=[record.label_text],
        label_audio=[record.label_audio],
        label_vision=[record.label_vision],
        speaker=record.speaker,
    )
