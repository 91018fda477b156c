"""The plan of a demo corpus: the speaker, line, affects and labels of each clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from semanticmac.core import SPLITS
from semanticmac.preprocess.demo.face import Face, random_face
from semanticmac.preprocess.demo.lines import lines_of
from semanticmac.preprocess.demo.voice import Voice, random_voice

VERSION = 1  # Raise it when the same seed would give other frames or other audio.
CLIPS_PER_SPEAKER = 5
SMALLEST = 8  # With fewer clips a split would be empty.

# The multimodal label is this mixture of the unimodal labels plus noise. The weights are similar
# and the labels agree only weakly, so the best prediction from one modality has a large error.
MIXTURE = {"text": 0.4, "audio": 0.3, "vision": 0.3}
NOISE = 0.2  # standard deviation, for the disagreement of annotators
AGREEMENT = 0.2  # correlation of the unimodal affects before they become uniform


@dataclass(frozen=True)
class DemoSpec:
    """All settings that determine a demo corpus to the byte; stored in its folder as spec.json."""

    seed: int = 0
    clips: int = 320
    size_px: int = 224
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.clips < SMALLEST:
            raise ValueError(
                f"clips={self.clips}, expected at least {SMALLEST}, so that every split has one"
            )
        if self.seed < 0:
            raise ValueError(f"seed={self.seed} must not be negative")
        if self.size_px < 32 or self.size_px % 2:
            raise ValueError(f"size_px={self.size_px} must be even (for H.264) and at least 32")


@dataclass(frozen=True)
class Record:
    """One clip of the plan: a row of clips.csv, and the numbers that seed its rendering."""

    index: int
    clip_id: str
    split: str
    speaker: str
    speaker_number: int
    text: str
    label: float  # multimodal
    label_text: float
    label_audio: float
    label_vision: float

    @property
    def file(self) -> str:
        """Path of the clip in the corpus folder."""
        return f"videos/{self.clip_id}.mp4"


def plan(spec: DemoSpec) -> list[Record]:
    """The records of a demo corpus: train, then valid, then test, in the proportion 11 : 2 : 3.

    No speaker and no line is in two splits. Unimodal labels are uniform in −3 … 3; those of text
    are the levels of the lines.
    """
    test, valid = round(spec.clips * 3 / 16), round(spec.clips / 8)
    sizes = dict(zip(SPLITS, (spec.clips - test - valid, valid, test), strict=True))
    records: list[Record] = []
    speaker = -1
    for split, size in sizes.items():
        for position in range(size):
            speaker += position % CLIPS_PER_SPEAKER == 0
            records.append(_record(spec, split, len(records), speaker))
    return records


def _record(spec: DemoSpec, split: str, index: int, speaker: int) -> Record:
    rng = np.random.default_rng((spec.seed, 1, index))
    common = rng.standard_normal()
    normal = math.sqrt(AGREEMENT) * common + math.sqrt(1 - AGREEMENT) * rng.standard_normal(3)
    affects = [3 * math.erf(value / math.sqrt(2)) for value in normal]  # normal → uniform in −3 … 3
    text = max(-3, min(3, round(affects[0] * 7 / 6)))  # seven levels, equally often
    labels = {"text": float(text), "audio": round(affects[1], 2), "vision": round(affects[2], 2)}
    mixed = sum(weight * labels[modality] for modality, weight in MIXTURE.items())
    mixed += NOISE * rng.standard_normal()
    return Record(
        index=index,
        clip_id=f"demo_{index:04d}",
        split=split,
        speaker=f"speaker_{speaker:03d}",
        speaker_number=speaker,
        text=str(rng.choice(lines_of(split, text))),
        label=round(max(-3.0, min(3.0, float(mixed))), 2),
        label_text=labels["text"],
        label_audio=labels["audio"],
        label_vision=labels["vision"],
    )


def cast(spec: DemoSpec, speaker_number: int) -> tuple[Face, Voice]:
    """The face and the voice of one speaker. They are independent, but a beard has a deep voice."""
    rng = np.random.default_rng((spec.seed, 2, speaker_number))
    face = random_face(rng)
    return face, random_voice(rng, deep=True if face.beard != "none" else None)
