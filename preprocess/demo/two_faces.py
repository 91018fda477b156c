"""Uncompressed clips of two people side by side, one of them speaks; for tests of face streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator

from semanticmac.preprocess.demo.face import random_face
from semanticmac.preprocess.demo.film import DRAWINGS_PER_S, Film, act, shoot
from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.phones import babble
from semanticmac.preprocess.demo.render import encode
from semanticmac.preprocess.demo.voice import TRACK_HZ, Track, random_voice

SIDES = ("left", "right")
# Share of the listener's time in which the lips move without a voice: a smile, a yawn, chewing.
RESTLESS = 0.15


@dataclass(frozen=True)
class Pair:
    """One clip of two people."""

    film: Film  # frames (n, S, 2S, 3)
    speaker: int  # 0 = the person on the left, 1 = the one on the right


def shoot_pair(
    rng: Generator, size_px: int = 224, restless: float = RESTLESS, words: int = 9
) -> Pair:
    """A clip of two random people before one wall; one of them says meaningless words.

    The listener blinks, moves the head, and moves the lips in the share `restless` of the time.
    """
    speaker = int(rng.integers(2))
    people = [random_face(rng), random_face(rng)]
    people[1] = _in_front_of(people[1], people[0])
    affects = rng.uniform(-3, 3, 3)
    text = babble(words, rng)
    voice = random_voice(rng)
    talk = shoot(text, people[speaker], voice, affects[0], affects[1], rng, size_px)

    count = int(len(talk.frames) * TRACK_HZ / DRAWINGS_PER_S)
    lips = _listener_lips(count, restless, rng)
    listener = act(people[1 - speaker], affects[2], lips, rng, size_px)
    halves = [talk.frames, listener[: len(talk.frames)]]
    if speaker == 1:
        halves.reverse()
    return Pair(Film(np.concatenate(halves, axis=2), talk.waveform), speaker)


def _in_front_of(face: Face, other: Face) -> Face:
    """The same person in the room and the light of another one."""
    return replace(
        face,
        scene=other.scene,
        wall=other.wall,
        light=other.light,
        exposure=other.exposure,
        warmth=other.warmth,
        grain=other.grain,
    )


def _listener_lips(count: int, restless: float, rng: Generator) -> Track:
    """How far the lips are open, (count,) every 5 ms: closed, with a few movements."""
    lips = np.zeros(count)
    length = int(0.5 * TRACK_HZ)
    movements = round(restless * count / length)
    for start in rng.integers(0, max(1, count - length), movements):
        height = rng.uniform(0.15, 0.6)
        lips[start : start + length] = height * np.hanning(length)[: count - start]
    return lips


def render_pairs(root: Path, count: int, seed: int = 0, size_px: int = 224) -> list[int]:
    """Writes `count` clips as a `folder` corpus (clips.csv, videos) and returns their speakers.

    Half of the clips are in train, a quarter each in valid and test; the labels are random.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows, speakers = [], []
    for number in range(count):
        rng = np.random.default_rng((seed, 23, number))
        pair = shoot_pair(rng, size_px, words=int(rng.integers(4, 12)))
        name = f"pair_{number:03d}.mp4"
        encode(pair.film, root / name)
        split = ("train", "train", "valid", "test")[number % 4]
        label = round(float(rng.uniform(-3, 3)), 2)
        rows.append(f"{number:03d},{name},,{label},{split}\n")
        speakers.append(pair.speaker)
    (root / "clips.csv").write_text("clip_id,file,text,label,split\n" + "".join(rows))
    return speakers
