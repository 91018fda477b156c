"""Hair, hats and beards; none of them covers brows, eyes or mouth."""

from __future__ import annotations

import math

import numpy as np

from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.paint import (
    Canvas,
    Points,
    arch,
    curve,
    ellipse,
    mirrored,
    mix,
    shade,
)
from semanticmac.preprocess.demo.wardrobe import CROWN, head_outline


def draw_hair_behind(canvas: Canvas, face: Face) -> None:
    """The hair behind the head."""
    dark = shade(face.hair, 0.8)
    if face.hair_style == "long":
        canvas.fill(arch((-0.62, -1.0), (-1.22, -0.2), (-1.3, 1.5), (-0.7, 2.0)), dark, -0.4)
    elif face.hair_style == "bob":
        canvas.fill(arch((-0.62, -1.0), (-1.26, -0.1), (-1.22, 0.95), (-0.6, 1.05)), dark, -0.4)
    elif face.hair_style == "curly":
        for step in range(11):
            angle = math.pi * (0.98 + 0.104 * step)
            canvas.fill(
                ellipse(1.08 * math.cos(angle), 0.05 + 1.2 * math.sin(angle), 0.34, 0.34, 16),
                dark,
                -0.3,
            )
    elif face.hair_style == "bun":
        canvas.fill(ellipse(0, -1.42, 0.42, 0.38), dark, -0.4)
    elif face.hair_style == "scarf":
        canvas.fill(head_outline(face, 1.26), shade(face.clothes, 1.15), -0.3)
        canvas.fill(arch((-1.1, 0.6), (-1.2, 2.1), (0, 2.4)), shade(face.clothes, 1.05), -0.3)


def _cap(hairline: Points, grow: float) -> Points:
    """The head above a hairline (from right to left), larger by the thickness of the hair."""
    angle = np.linspace(np.pi, 2 * np.pi, 24)
    top = np.stack([grow * np.cos(angle), CROWN * grow * np.sin(angle)], axis=1)
    return np.concatenate([top, hairline])


def draw_hair(canvas: Canvas, face: Face) -> None:
    """The hair or hat over the forehead."""
    style, hair, cloth = face.hair_style, face.hair, shade(face.clothes, 1.2)
    if style in ("short", "bun"):
        canvas.fill(
            _cap(
                arch((1.07, 0.0), (0.94, -0.02), (0.88, -0.42), (0.62, -0.78), (0.0, -0.86)), 1.07
            ),
            hair,
            0.05,
        )
    elif style in ("parted", "long"):
        line = curve(
            (1.07, 0.0), (0.94, -0.02), (0.87, -0.42), (0.72, -0.66), (-0.3, -0.98),
            (-0.6, -0.72), (-0.88, -0.4), (-0.94, -0.02), (-1.07, 0.0),
        )  # fmt: skip
        canvas.fill(_cap(line, 1.1), hair, 0.05)
        canvas.stroke(curve((-0.3, -1.0), (-0.22, -1.28)), 0.04, shade(hair, 0.7), 0.15, 0.6)
    elif style in ("bangs", "bob"):
        canvas.fill(
            _cap(arch((1.1, 0.15), (0.92, 0.1), (0.88, -0.3), (0.7, -0.6), (0.0, -0.66)), 1.1),
            hair,
            0.05,
        )
    elif style == "curly":
        for step in range(8):
            angle = math.pi * (1.05 + 0.129 * step)
            canvas.fill(
                ellipse(0.86 * math.cos(angle), -0.1 + 0.98 * math.sin(angle), 0.27, 0.25, 16),
                hair,
                0.15,
            )
    elif style == "bald":
        canvas.stroke(curve((0.42, -0.98), (0.62, -0.8)), 0.07, shade(face.skin, 1.2), 0.3, 0.7)
    elif style == "beanie":
        canvas.fill(_cap(arch((1.05, -0.5), (0.6, -0.68), (0.0, -0.74)), 1.14), cloth, 0.15)
        canvas.stroke(
            arch((-1.08, -0.52), (-0.6, -0.76), (0, -0.83)), 0.24, shade(face.clothes, 0.85), 0.2
        )
    else:  # scarf
        canvas.fill(
            _cap(arch((1.18, 0.6), (0.96, -0.2), (0.7, -0.66), (0, -0.84)), 1.16), cloth, 0.15
        )


def draw_beard(canvas: Canvas, face: Face) -> None:
    """The beard. Draw it before the mouth, so that the mouth stays visible."""
    if face.beard in ("stubble", "full"):
        colour = mix(face.skin, face.hair, 0.35 if face.beard == "stubble" else 0.92)
        jaw = head_outline(face)[1:24]  # the lower half, from right to left
        inner = arch((-0.9, 0.3), (-0.62, 0.62), (-0.3, 0.52), (0, 0.47))
        canvas.fill(np.concatenate([jaw, inner]), colour, 0.2)
    elif face.beard == "moustache":
        half = curve((0.02, 0.46), (0.22, 0.47), (0.42, 0.58))
        for side in (half, mirrored(half)):
            canvas.stroke(side, 0.11, face.hair, 0.62, 0.5)
