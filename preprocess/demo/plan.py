"""What a demo corpus of one seed consists of: who says which line in which affect, and how its labels follow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from semanticmac.core import SPLITS
from semanticmac.preprocess.demo.face import Face, random_face
from semanticmac.preprocess.demo.lines import lines_of
from semanticmac.preprocess.demo.voice import Voice, random_voice

VERSION = 1  # raised whenever the same seed would give other pictures or other sounds
CLIPS_PER_SPEAKER = 5
SMALLEST = 8  # clips: fewer leave a split empty

# The multimodal label is this mixture of the three unimodal ones, plus noise. The weights are near
# equal and the three agree only mildly, so that the best guess from any one modality leaves much of
# the label unexplained.
MIXTURE = {"text": 0.4, "audio": 0.3, "vision": 0.3}
NOISE = 0.2  # standard deviation of what no modality explains: people who label do not agree either
AGREEMENT = 0.2  # correlation of the unimodal affects: people mostly agree with themselves


@dataclass(frozen=True)
class DemoSpec:
    """What determines a demo corpus, down to its pixels and samples.

    Kept in the folder as spec.json.
    """

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
    """One clip of the plan: a row of clips.csv, and the number that its rendering is drawn from."""

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
        """The clip's place in the corpus folder."""
        return f"videos/{self.clip_id}.mp4"


def plan(spec: DemoSpec) -> list[Record]:
    """The records of a demo corpus: train, then valid, then test, in the proportion 11 : 2 : 3.

    No speaker and no line stands in two splits. Unimodal labels are uniform in −3 … 3 (text: the
    levels of the lines).
    """
    test, valid = round(spec.clips * 3 / 16), round(spec.clips / 8)
    sizes = dict(zip(SPLITS, (spec.clips - test - valid, valid, test), strict=True))
    records: list[Record] = []
    speaker = -1
    for split, size in sizes.items():
        for place in range(size):
            speaker += place % CLIPS_PER_SPEAKER == 0
            records.append(_record(spec, split, len(records), speaker))
    return records


def _record(spec: DemoSpec, split: str, index: int, speaker: int) -> Record:
    rng = np.random.default_rng((spec.seed, 1, index))
    common = rng.standard_normal()
    normal = math.sqrt(AGREEMENT) * common + math.sqrt(1 - AGREEMENT) * rng.standard_normal(3)
    affects = [3 * math.erf(value / math.sqrt(2)) for value in normal]  # normal → uniform in −3 … 3
    text = max(-3, min(3, round(affects[0] * 7 / 6)))  # seven levels, equally often
    labels = {"text": float(text), "audio": round(affects[1], 2), "vision": round(affects[2], 2)}
    mixed = (
        sum(weight * labels[modality] for modality, weight in MIXTURE.items())
        + NOISE * rng.standard_normal()
    )
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
    """The face and the voice of one speaker; a beard comes with a deep voice, otherwise they are drawn apart."""
    rng = np.random.default_rng((spec.seed, 2, speaker_number))
    face = random_face(rng)
    return face, random_voice(rng, deep=True if face.beard != "none" else None)
