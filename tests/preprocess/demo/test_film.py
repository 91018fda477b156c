"""Drawn people: deterministic, and the affect does not depend on the identity."""

from __future__ import annotations

import numpy as np
from support.demo import SMALL, digest
from support.demo_voices import random_sound

from semanticmac.preprocess.demo.face import Pose, draw_face, random_face
from semanticmac.preprocess.demo.film import random_picture
from semanticmac.preprocess.demo.plan import cast
from semanticmac.preprocess.demo.voice import speak


def test_the_same_arguments_give_the_same_pixels_and_samples():
    face, voice = cast(SMALL, 0)
    pictures = {digest(draw_face(face, 2.0, 0.5, 64, Pose(roll=0.1))) for _ in range(2)}
    sounds = {
        digest(speak("Hello there.", voice, -2.0, np.random.default_rng(1)).waveform)
        for _ in range(2)
    }
    assert len(pictures) == len(sounds) == 1


def test_who_it_is_says_nothing_of_the_affect():
    """Ten people of one affect look and sound different; one face changes with the affect."""
    rng = np.random.default_rng(7)
    assert len({digest(random_picture(rng, 1.0, 64)) for _ in range(10)}) == 10
    assert len({digest(random_sound(rng, 1.0, 0.5)) for _ in range(10)}) == 10
    face = random_face(rng)
    assert digest(draw_face(face, -1.0, 0.0, 64)) != digest(draw_face(face, 1.0, 0.0, 64))
