"""Drawn faces: the affect is visible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.demo import correlation

from semanticmac.preprocess.demo.face import draw_face, random_face


def test_affect_is_visible_around_the_mouth_of_unknown_people():
    rng = np.random.default_rng(5)
    truth = rng.uniform(-3, 3, 500)
    features = []
    for affect in truth:
        face = replace(random_face(rng), offset=(0.0, 0.0), scale=0.28, roll=0.0, yaw=0.0)
        mouth = draw_face(face, affect, float(rng.beta(1.2, 2.0)), 64)[34:56, 18:46].mean(axis=2)
        features.append(((mouth - mouth.mean()) / (mouth.std() + 1e-6)).ravel())
    assert correlation(np.array(features), truth, 400) > 0.7
