"""Draws one frame: a person with an affect and an opened mouth, as seen by a camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semanticmac.preprocess.demo.features import (
    draw_brows,
    draw_cheeks,
    draw_eyes,
    draw_mouth,
    draw_nose,
    expression,
)
from semanticmac.preprocess.demo.hair import draw_beard, draw_hair, draw_hair_behind
from semanticmac.preprocess.demo.identity import Face, random_face
from semanticmac.preprocess.demo.paint import SUPERSAMPLING, Canvas
from semanticmac.preprocess.demo.scene import draw_scene
from semanticmac.preprocess.demo.wardrobe import (
    draw_body,
    draw_freckles,
    draw_glasses,
    head_outline,
)

__all__ = ["Face", "Pose", "draw_face", "random_face"]

Picture = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class Pose:
    """Position of the head at one moment, relative to that of its Face; independent of affect."""

    shift: tuple[float, float] = (0.0, 0.0)  # shares of the frame's side
    roll: float = 0.0  # radians
    yaw: float = 0.0
    blink: float = 0.0  # 0 = open … 1 = shut


STILL = Pose()


def draw_face(
    face: Face, affect: float, mouth: float, size_px: int = 224, pose: Pose = STILL
) -> Picture:
    """One frame (size_px, size_px, 3) of `face` with `affect` (−3 … 3).

    `mouth` is how far the mouth is open, 0 … 1. The same arguments give the same pixels. Lengths
    are relative to the frame, so every size shows the same drawing.
    """
    side = size_px * SUPERSAMPLING
    centre = (
        (0.5 + face.offset[0] + pose.shift[0]) * side,
        (0.47 + face.offset[1] + pose.shift[1]) * side,
    )
    canvas = Canvas(
        _scene(face, side).copy(),
        centre,
        face.scale * side,
        face.roll + pose.roll,
        face.yaw + pose.yaw,
    )
    look = expression(face, affect)
    draw_hair_behind(canvas, face)
    draw_body(canvas, face)
    canvas.fill(head_outline(face), face.skin)
    draw_cheeks(canvas, face, look)
    draw_freckles(canvas, face)
    draw_beard(canvas, face)
    draw_mouth(canvas, face, look, mouth)
    draw_nose(canvas, face)
    draw_eyes(canvas, face, look, pose.blink)
    draw_hair(canvas, face)
    draw_brows(canvas, face, look)
    draw_glasses(canvas, face)
    return photograph(face, np.asarray(canvas.image.reduce(SUPERSAMPLING)))


# All frames of a clip have one background.
@lru_cache(maxsize=2)
def _scene(face: Face, side_px: int) -> Image.Image:
    return draw_scene(face, side_px)


@lru_cache(maxsize=2)
def _camera(face: Face, size_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The effect of a camera: light and colour to multiply (S, S, 3), grain to add (S, S, 1)."""
    ramp = np.linspace(-1, 1, size_px, dtype=np.float32)
    light = face.exposure * (1 + face.light[0] * ramp[None, :] + face.light[1] * ramp[:, None])
    tint = np.array([1 + face.warmth, 1, 1 - face.warmth], dtype=np.float32)
    grain = np.random.default_rng(face.scene_seed).standard_normal(
        (size_px, size_px, 1), dtype=np.float32
    )
    return (light[:, :, None] * tint).astype(np.float32), face.grain * grain


def photograph(face: Face, picture: Picture) -> Picture:
    """A frame (S, S, 3) with the light, exposure, colour and grain of this face's camera."""
    factors, grain = _camera(face, picture.shape[0])
    shot = picture * factors
    shot += grain
    return np.clip(shot, 0, 255, out=shot).astype(np.uint8)
