"""Corpora that show what a fusion does with modalities that are worth little or nothing.

About 1,200 clips each, with audio and vision embeddings of 1,024 numbers a frame, drawn directly:

    honest    both show the affect of their modality clearly; the label is a mixture of all three
    weak      audio shows a little, vision nothing
    noise     neither shows anything
    shortcut  both show the label in train and valid, and the label of another clip in test

`sentiment` is a regression over the texts and labels of the demo corpus. `emotion` (seven classes)
and `sarcasm` (binary) have the real texts and labels of MELD and MUStARD.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.streams import StreamWriters, made_up
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import record_last
from semanticmac.core import SPLITS, Task
from semanticmac.preprocess.corpora import meld, mustard
from semanticmac.preprocess.demo.plan import DemoSpec, plan

Modality = Literal["audio", "vision"]
Worth = Literal["honest", "weak", "noise", "shortcut"]

CLIPS = 1200
WIDTH = 1024
SHARES = (11 / 16, 2 / 16, 3 / 16)  # of train, valid and test
ASSIGNMENTS = 500  # of speakers to splits, drawn at random
FRAMES = (4, 11)  # least and most of a clip, most left out
IDENTITY = 1.0  # spread of what is the same in all clips of a speaker
FRAME_NOISE = 2.0  # spread of what changes from frame to frame

# Signal over noise along the direction of the affect, after a mean over frames.
CLEAR, FAINT, NOTHING = 4.0, 0.8, 0.0
STRENGTH: dict[Worth, dict[Modality, float]] = {
    "honest": {"audio": CLEAR, "vision": CLEAR},
    "weak": {"audio": FAINT, "vision": NOTHING},
    "noise": {"audio": NOTHING, "vision": NOTHING},
    "shortcut": {"audio": CLEAR, "vision": CLEAR},
}


@dataclass(frozen=True)
class TextClip:
    """A text with its label, and the affect that each modality of an honest clip shows."""

    text: str
    split: str
    speaker: str
    label: list[float]
    audio: list[float]
    vision: list[float]


def sentiment(seed: int) -> tuple[Task, list[TextClip]]:
    """The texts and labels of a demo corpus of 1,200 clips: 825 train, 150 valid, 225 test."""
    clips = []
    for record in plan(DemoSpec(seed=seed, clips=CLIPS)):
        sides = [record.label_audio], [record.label_vision]
        clips.append(TextClip(record.text, record.split, record.speaker, [record.label], *sides))
    return Task("regression", low=-3.0, high=3.0), clips


def emotion(seed: int, root: Path) -> tuple[Task, list[TextClip]]:
    """825, 150 and 225 clips of the official train, dev and test files of MELD, drawn by seed."""
    task = meld.TASK
    rng = np.random.default_rng((seed, 21))
    clips = []
    for split, file, count in zip(SPLITS, ("train", "dev", "test"), (825, 150, 225), strict=True):
        with (root / "meld" / f"{file}_sent_emo.csv").open(encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
        for number in sorted(rng.choice(len(rows), count, replace=False)):
            row = rows[number]
            label = task.encode(row["Emotion"].strip().lower())
            assert label is not None
            clips.append(TextClip(row["Utterance"], split, row["Speaker"], label, label, label))
    return task, clips


def sarcasm(seed: int, root: Path) -> tuple[Task, list[TextClip]]:
    """All 690 utterances of MUStARD, split by seed and by speaker.

    A speaker of MUStARD tells the label (120 of 158 utterances of one are sarcastic), so none is
    in two splits.
    """
    rng = np.random.default_rng((seed, 22))
    entries = list(json.loads((root / "mustard" / "sarcasm_data.json").read_text()).values())
    rng.shuffle(entries)
    split_of = _speaker_split(entries, rng)
    clips = []
    for entry in entries:
        speaker, label = entry["speaker"], [float(entry["sarcasm"])]
        clips.append(TextClip(entry["utterance"], split_of[speaker], speaker, label, label, label))
    return mustard.TASK, clips


def _speaker_split(
    entries: Sequence[Mapping[str, Any]], rng: np.random.Generator
) -> dict[str, str]:
    """Speaker → split: of many random assignments the one nearest to SHARES and to half sarcasm."""
    speakers = sorted({entry["speaker"] for entry in entries})
    number_of = {speaker: number for number, speaker in enumerate(speakers)}
    counts = np.zeros((len(speakers), 2))  # utterances with each label
    for entry in entries:
        counts[number_of[entry["speaker"]], int(entry["sarcasm"])] += 1

    wanted = np.array(SHARES)[:, None] * counts.sum(0)  # (3, 2)
    best, least = np.zeros(len(speakers), dtype=int), np.inf
    for _ in range(ASSIGNMENTS):
        assigned = rng.choice(len(SPLITS), len(speakers), p=SHARES)
        reached = np.zeros_like(wanted)
        np.add.at(reached, assigned, counts)
        distance = float((np.abs(reached - wanted) / wanted).sum())
        if distance < least:
            best, least = assigned, distance
    return {speaker: SPLITS[best[number]] for speaker, number in number_of.items()}


def write_corpus(
    layout: CacheLayout, name: str, task: Task, clips: Sequence[TextClip], worth: Worth, seed: int
) -> Manifest:
    """Writes the clips as a cached dataset, with audio and vision of this worth."""
    streams = made_up("planted", WIDTH, f"{name} seed {seed}")
    writer = StreamWriters(layout, streams)
    draw = _Embeddings(task, seed)
    shown = {modality: _shown(clips, modality, worth, seed) for modality in ("audio", "vision")}
    rows = []
    for number, clip in enumerate(clips):
        rng = np.random.default_rng((seed, 23, number))
        count = int(rng.integers(*FRAMES))
        sides = {}
        # Nobody looks or sounds the same in two splits, so that noise tells nothing there.
        person = f"{clip.split} {clip.speaker}"
        for modality, strength in STRENGTH[worth].items():
            sides[modality] = draw.frames(
                modality, shown[modality][number], strength, person, rng, count
            )
        key = f"{name}-{seed}-{number:06d}"
        writer.add(key, sides["vision"], sides["audio"])
        rows.append(
            Row(
                clip_id=f"clip_{number:04d}",
                key=key,
                video="",
                start_s=0.0,
                end_s=None,
                text=clip.text,
                split=clip.split,
                frames=count,
                duration_s=count / 2,
                has_vision=True,
                has_audio=True,
                label=clip.label,
                speaker=clip.speaker,
            )
        )
    writer.finish()
    manifest = Manifest(name, task, Sampling(), tuple(rows))
    record_last(layout, name, streams.all)
    manifest.write(layout.manifest(name))
    return manifest


class _Embeddings:
    """Draws frames around the direction of an affect; identity of the speaker and noise added."""

    def __init__(self, task: Task, seed: int) -> None:
        self._task, self._seed = task, seed
        count = 2 if task.kind in ("regression", "binary") else task.width
        self._directions = {}
        for number, modality in enumerate(("audio", "vision")):
            rng = np.random.default_rng((seed, 24, number))
            vectors = rng.standard_normal((count, WIDTH))
            self._directions[modality] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def frames(
        self,
        modality: str,
        label: Sequence[float],
        strength: float,
        person: str,
        rng: np.random.Generator,
        count: int,
    ) -> np.ndarray:
        """(count, WIDTH) float16."""
        mean_frames = (FRAMES[0] + FRAMES[1] - 1) / 2
        noise_level = np.sqrt(IDENTITY**2 + FRAME_NOISE**2 / mean_frames)
        signal = strength * noise_level * self._level(label) @ self._directions[modality]
        person_rng = np.random.default_rng((self._seed, 25, *person.encode()))
        identity = person_rng.standard_normal(WIDTH) * IDENTITY
        noise = rng.standard_normal((count, WIDTH)) * FRAME_NOISE
        return np.asarray(signal + identity + noise, dtype=np.float16)

    def _level(self, label: Sequence[float]) -> np.ndarray:
        """What the directions carry: an affect of spread 1 and its strength, or the classes."""
        if self._task.kind == "regression":
            level = label[0] / np.sqrt(3)
            return np.array([level, level**2 - 1])
        if self._task.kind == "binary":
            return np.array([2 * label[0] - 1, 0.0])
        return np.asarray(label, dtype=float)


def _shown(
    clips: Sequence[TextClip], modality: Modality, worth: Worth, seed: int
) -> list[list[float]]:
    """The affect that the frames of each clip show."""
    if worth != "shortcut":
        return [clip.audio if modality == "audio" else clip.vision for clip in clips]
    shown = [clip.label for clip in clips]
    test = [number for number, clip in enumerate(clips) if clip.split == "test"]
    rng = np.random.default_rng((seed, 26, *modality.encode()))
    for number, other in zip(test, rng.permutation(test), strict=True):
        shown[number] = clips[other].label
    return shown


TEXTS: dict[str, Callable[[int, Path], tuple[Task, list[TextClip]]]] = {
    "sentiment": lambda seed, root: sentiment(seed),
    "emotion": emotion,
    "sarcasm": sarcasm,
}
