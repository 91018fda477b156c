"""The background behind the person."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.paint import Colour, mix, shade


def draw_scene(face: Face, side_px: int) -> Image.Image:
    """The background, (side_px, side_px) RGB: a wall in uneven light, with one kind of object."""
    rng = np.random.default_rng(face.scene_seed)
    tones = [shade(face.wall, float(factor)) for factor in rng.uniform(0.85, 1.15, size=4)]
    corners = np.array(tones, dtype=np.uint8).reshape(2, 2, 3)
    image = Image.fromarray(corners).resize((side_px, side_px), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)

    def box(x: float, y: float, width: float, height: float, colour: Colour) -> None:
        draw.rectangle(
            (x * side_px, y * side_px, (x + width) * side_px, (y + height) * side_px), fill=colour
        )

    def disc(x: float, y: float, radius: float, colour: Colour) -> None:
        corners = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(tuple(corner * side_px for corner in corners), fill=colour)

    if face.scene == "window":
        x, y = float(rng.choice((-0.1, 0.68))), float(rng.uniform(0.02, 0.12))
        box(x, y, 0.42, 0.5, shade(face.wall, 1.3))
        box(
            x + 0.03,
            y + 0.03,
            0.36,
            0.44,
            mix((164, 206, 234), (250, 240, 220), float(rng.random())),
        )
        box(x + 0.2, y, 0.02, 0.5, shade(face.wall, 1.3))
    elif face.scene == "lights":
        for _ in range(14):
            tint = mix(face.wall, (255, 222, 160), float(rng.uniform(0.15, 0.5)))
            disc(float(rng.random()), float(rng.random()), float(rng.uniform(0.02, 0.08)), tint)
    elif face.scene == "shelf":
        for y in (0.16, 0.42):
            box(0, y + 0.14, 1, 0.02, shade(face.wall, 0.6))
            for x in np.arange(0.0, 1.0, 0.055):
                height = float(rng.uniform(0.08, 0.135))
                tint = mix(face.wall, tuple(rng.integers(30, 230, 3).tolist()), 0.45)
                box(float(x), y + 0.14 - height, 0.045, height, tint)
    elif face.scene == "plant":
        x = float(rng.choice((0.1, 0.9)))
        for angle in np.linspace(-1.1, 1.1, 7):
            tip_x, tip_y = x + 0.26 * np.sin(angle), 0.75 - 0.42 * np.cos(angle)
            middle = ((x + tip_x) / 2 + 0.05, (0.75 + tip_y) / 2)
            leaf = [(x, 0.75), middle, (tip_x, tip_y), (middle[0] - 0.1, middle[1])]
            draw.polygon(
                [(a * side_px, b * side_px) for a, b in leaf],
                fill=mix(face.wall, (60, 128, 76), 0.7),
            )
    elif face.scene == "stripes":
        for x in np.arange(float(rng.uniform(0, 0.1)), 1, 0.14):
            box(float(x), 0, 0.06, 1, shade(face.wall, 0.93))
    return image
