"""Uncompressed clips of a talking face, and single frames of random people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from semanticmac.preprocess.demo.face import Face, Picture, Pose, draw_face, random_face
from semanticmac.preprocess.demo.voice import SAMPLE_RATE_HZ, TRACK_HZ, Track, Voice, speak

DRAWINGS_PER_S = 6  # The video shows each drawing twice, as animated films do.


@dataclass(frozen=True)
class Film:
    """One uncompressed clip."""

    frames: NDArray[np.uint8]  # (n, S, S, 3) RGB; frame k lasts from k/6 s to (k + 1)/6 s
    waveform: NDArray[np.int16]  # (N,) 16 kHz mono, as long as the frames


def shoot(
    text: str,
    face: Face,
    voice: Voice,
    vision: float,
    audio: float,
    rng: Generator,
    size_px: int = 224,
) -> Film:
    """A clip of `face` and `voice` saying `text`.

    The face has the affect `vision` and the voice the affect `audio`, both −3 … 3.
    """
    speech = speak(text, voice, audio, rng)
    frames = act(face, vision, speech.opening, rng, size_px)
    samples = round(len(frames) * SAMPLE_RATE_HZ / DRAWINGS_PER_S)
    waveform = np.zeros(samples, dtype=np.int16)
    waveform[: len(speech.waveform)] = speech.waveform[:samples]
    return Film(frames, waveform)


def act(
    face: Face, affect: float, opening: Track, rng: Generator, size_px: int = 224
) -> NDArray[np.uint8]:
    """The frames (n, S, S, 3) of a talking face.

    `opening` is the opening of the lips, one value for 5 ms. The affect varies a little.
    """
    seconds = len(opening) / TRACK_HZ
    times = np.arange(int(np.ceil(seconds * DRAWINGS_PER_S))) / DRAWINGS_PER_S
    middle = np.minimum(
        ((times + 0.5 / DRAWINGS_PER_S) * TRACK_HZ).astype(np.int64), len(opening) - 1
    )
    felt = np.clip(affect + 0.15 * _sway(times, rng), -3.3, 3.3)
    x, y = 0.008 * _sway(times, rng), 0.008 * _sway(times, rng)
    roll, yaw = 0.025 * _sway(times, rng), 0.07 * _sway(times, rng)
    blinks = np.zeros(len(times))
    blinks[int(rng.integers(2, 2 + 3 * DRAWINGS_PER_S)) :: 4 * DRAWINGS_PER_S] = 0.9
    frames: list[Picture] = []
    for k in range(len(times)):
        pose = Pose((float(x[k]), float(y[k])), float(roll[k]), float(yaw[k]), float(blinks[k]))
        frames.append(draw_face(face, float(felt[k]), float(opening[middle[k]]), size_px, pose))
    return np.stack(frames)


def _sway(times: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """A slow random movement (n,) between about −1.5 and 1.5."""
    slow, fast = rng.uniform(0.15, 0.35), rng.uniform(0.5, 0.9)  # Hz
    phase = rng.uniform(0, 2 * np.pi, 2)
    return np.asarray(
        np.sin(2 * np.pi * slow * times + phase[0])
        + 0.4 * np.sin(2 * np.pi * fast * times + phase[1])
    )


def random_picture(
    rng: Generator, affect: float, size_px: int = 224, face: Face | None = None
) -> Picture:
    """A frame (S, S, 3) of `face` or of a random face, mostly talking, with `affect` (−3 … 3)."""
    pose = Pose(
        shift=(float(rng.uniform(-0.01, 0.01)), float(rng.uniform(-0.01, 0.01))),
        roll=float(rng.uniform(-0.03, 0.03)),
        yaw=float(rng.uniform(-0.08, 0.08)),
        blink=0.9 if rng.random() < 0.04 else 0.0,
    )
    talking = rng.random() < 0.8
    return draw_face(
        face or random_face(rng),
        affect,
        float(rng.beta(1.2, 2.0)) if talking else 0.0,
        size_px,
        pose,
    )
