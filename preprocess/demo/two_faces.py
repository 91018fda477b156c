"""Uncompressed clips of two people side by side, one of whom speaks; to measure face streams."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from semanticmac.preprocess.demo.face import random_face
from semanticmac.preprocess.demo.film import DRAWINGS_PER_S, Film, act, shoot
from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.phones import babble
from semanticmac.preprocess.demo.voice import TRACK_HZ, Track, random_voice

# Share of the listener's time in which the lips move without a voice: a smile, a yawn, chewing.
RESTLESS = 0.15


@dataclass(frozen=True)
class Pair:
    """One clip of two people."""

    film: Film  # frames (n, 224, 448, 3)
    speaker: int  # 0 = the person on the left, 1 = the one on the right


def shoot_pair(rng: Generator, restless: float = RESTLESS, words: int = 9) -> Pair:
    """A clip of two random people before one wall; one of them says meaningless words.

    The listener blinks, moves the head, and moves the lips in the share `restless` of the time.
    """
    speaker = int(rng.integers(2))
    people = [random_face(rng), random_face(rng)]
    people[1] = _in_front_of(people[1], people[0])
    affects = rng.uniform(-3, 3, 3)
    text = babble(words, rng)
    voice = random_voice(rng)
    talk = shoot(text, people[speaker], voice, affects[0], affects[1], rng)

    count = int(len(talk.frames) * TRACK_HZ / DRAWINGS_PER_S)
    lips = _listener_lips(count, restless, rng)
    listener = act(people[1 - speaker], affects[2], lips, rng)
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
