"""What surrounds the features: the room behind, clothes, head, hair, beard and glasses."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from semanticmac.preprocess.demo.features import EYE_Y, MOUTH_Y
from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.paint import Canvas, Colour, Points, curve, ellipse, mirrored, mix, shade

CROWN = 1.22  # middle of the head to its top


def draw_scene(face: Face, side_px: int) -> Image.Image:
    """The room behind the person, (side_px, side_px) RGB: a wall in changing light, and one kind of thing on it."""
    rng = np.random.default_rng(face.scene_seed)
    tones = [shade(face.wall, float(factor)) for factor in rng.uniform(0.85, 1.15, size=4)]
    corners = np.array(tones, dtype=np.uint8).reshape(2, 2, 3)
    image = Image.fromarray(corners).resize((side_px, side_px), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)

    def box(x: float, y: float, width: float, height: float, colour: Colour) -> None:
        draw.rectangle((x * side_px, y * side_px, (x + width) * side_px, (y + height) * side_px), fill=colour)

    def disc(x: float, y: float, radius: float, colour: Colour) -> None:
        draw.ellipse(
            ((x - radius) * side_px, (y - radius) * side_px, (x + radius) * side_px, (y + radius) * side_px),
            fill=colour,
        )

    if face.scene == "window":
        x, y = float(rng.choice((-0.1, 0.68))), float(rng.uniform(0.02, 0.12))
        box(x, y, 0.42, 0.5, shade(face.wall, 1.3))
        box(x + 0.03, y + 0.03, 0.36, 0.44, mix((164, 206, 234), (250, 240, 220), float(rng.random())))
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
            draw.polygon([(a * side_px, b * side_px) for a, b in leaf], fill=mix(face.wall, (60, 128, 76), 0.7))
    elif face.scene == "stripes":
        for x in np.arange(float(rng.uniform(0, 0.1)), 1, 0.14):
            box(float(x), 0, 0.06, 1, shade(face.wall, 0.93))
    return image


def head_outline(face: Face, grow: float = 1.0) -> Points:
    """The outline (48, 2) of the head: half an ellipse above, a squarer half below."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    sine, cosine = np.sin(angle), np.cos(angle)
    power = np.where(sine > 0, 2 / face.jaw, 1.0)
    x = np.sign(cosine) * np.abs(cosine) ** power
    y = np.sign(sine) * np.abs(sine) ** power * np.where(sine > 0, face.length, CROWN)
    return np.stack([x * grow, y * grow], axis=1)


def draw_body(canvas: Canvas, face: Face) -> None:
    """Shoulders, collar, neck with the chin's shadow, and ears."""
    chin = face.length
    shoulders = curve(
        (-2.6, 4.0),
        (-2.1, chin + 0.95),
        (-0.9, chin + 0.55),
        (0, chin + 0.5),
        (0.9, chin + 0.55),
        (2.1, chin + 0.95),
        (2.6, 4.0),
    )
    if face.collar == "hood":
        canvas.fill(ellipse(0, chin + 0.5, 1.12, 0.5), shade(face.clothes, 0.8), -0.3)
    canvas.fill(shoulders, face.clothes, -0.3)
    neck = curve(
        (-0.46, 0.6),
        (-0.44, chin + 0.3),
        (-0.6, chin + 0.55),
        (0, chin + 0.85),
        (0.6, chin + 0.55),
        (0.44, chin + 0.3),
        (0.46, 0.6),
    )
    canvas.fill(neck, shade(face.skin, 0.93), -0.2)
    canvas.fill(ellipse(0, chin - 0.12, 0.46, 0.34), shade(face.skin, 0.76), -0.1)
    if face.collar == "shirt":
        flap = curve(
            (0.02, chin + 0.9), (0.5, chin + 0.42), (0.72, chin + 0.62), (0.34, chin + 1.1), (0.02, chin + 0.9)
        )
        for side in (flap, mirrored(flap)):
            canvas.fill(side, shade(face.clothes, 1.25), -0.2)
    elif face.collar == "hood":
        for x in (-0.22, 0.22):
            canvas.stroke(curve((x, chin + 0.75), (x * 1.3, chin + 1.3)), 0.06, shade(face.clothes, 1.5), -0.2)
    for side in (-1, 1):
        canvas.fill(ellipse(side * 1.0, 0.06, 0.17, 0.27), shade(face.skin, 0.92), -0.1)
        canvas.fill(ellipse(side * 1.02, 0.07, 0.09, 0.17), shade(face.skin, 0.78), -0.1)
        if face.earrings:
            canvas.fill(ellipse(side * 1.05, 0.36, 0.06, 0.06), (232, 196, 90), -0.1)


def draw_hair_behind(canvas: Canvas, face: Face) -> None:
    """The hair that hangs or stands behind the head."""
    dark = shade(face.hair, 0.8)
    if face.hair_style == "long":
        canvas.fill(
            curve(
                (-0.62, -1.0),
                (-1.22, -0.2),
                (-1.3, 1.5),
                (-0.7, 2.0),
                (0.7, 2.0),
                (1.3, 1.5),
                (1.22, -0.2),
                (0.62, -1.0),
            ),
            dark,
            -0.4,
        )
    elif face.hair_style == "bob":
        canvas.fill(
            curve(
                (-0.62, -1.0),
                (-1.26, -0.1),
                (-1.22, 0.95),
                (-0.6, 1.05),
                (0.6, 1.05),
                (1.22, 0.95),
                (1.26, -0.1),
                (0.62, -1.0),
            ),
            dark,
            -0.4,
        )
    elif face.hair_style == "curly":
        for angle in np.linspace(np.pi * 0.98, np.pi * 2.02, 11):
            canvas.fill(
                ellipse(1.08 * float(np.cos(angle)), 0.05 + 1.2 * float(np.sin(angle)), 0.34, 0.34, 16), dark, -0.3
            )
    elif face.hair_style == "bun":
        canvas.fill(ellipse(0, -1.42, 0.42, 0.38), dark, -0.4)
    elif face.hair_style == "scarf":
        canvas.fill(head_outline(face, 1.26), shade(face.clothes, 1.15), -0.3)
        canvas.fill(curve((-1.1, 0.6), (-1.2, 2.1), (0, 2.4), (1.2, 2.1), (1.1, 0.6)), shade(face.clothes, 1.05), -0.3)


def _cap(*hairline: tuple[float, float], grow: float = 1.07) -> Points:
    """Everything of the head above a hairline that runs from its right end to its left one."""
    angle = np.linspace(np.pi, 2 * np.pi, 24)
    top = np.stack([grow * np.cos(angle), CROWN * grow * np.sin(angle)], axis=1)
    return np.concatenate([top, curve(*hairline)])


def draw_hair(canvas: Canvas, face: Face) -> None:
    """The hair, beanie or scarf over the forehead; every style leaves the brows free."""
    style, hair = face.hair_style, face.hair
    sides = ((1.07, 0.0), (0.9, -0.42))
    if style in ("short", "bun"):
        line = (*sides, (0.62, -0.78), (0.0, -0.86), (-0.62, -0.78), (-0.9, -0.42), (-1.07, 0.0))
        canvas.fill(_cap(*line), hair, 0.15)
    elif style in ("parted", "long"):
        line = (*sides, (0.72, -0.66), (-0.3, -0.98), (-0.6, -0.72), (-0.92, -0.4), (-1.07, 0.0))
        canvas.fill(_cap(*line, grow=1.1), hair, 0.15)
        canvas.stroke(curve((-0.3, -1.0), (-0.22, -1.28)), 0.04, shade(hair, 0.7), 0.15, 0.6)
    elif style in ("bangs", "bob"):
        line = ((1.1, 0.15), (0.93, -0.3), (0.7, -0.6), (0.0, -0.66), (-0.7, -0.6), (-0.93, -0.3), (-1.1, 0.15))
        canvas.fill(_cap(*line, grow=1.1), hair, 0.2)
    elif style == "curly":
        for angle in np.linspace(np.pi * 1.05, np.pi * 1.95, 8):
            canvas.fill(
                ellipse(0.86 * float(np.cos(angle)), -0.1 + 0.98 * float(np.sin(angle)), 0.27, 0.25, 16), hair, 0.15
            )
    elif style == "bald":
        canvas.stroke(curve((0.42, -0.98), (0.62, -0.8)), 0.07, shade(face.skin, 1.2), 0.3, 0.7)
    elif style == "beanie":
        line = ((1.05, -0.5), (0.6, -0.68), (0.0, -0.74), (-0.6, -0.68), (-1.05, -0.5))
        canvas.fill(_cap(*line, grow=1.14), shade(face.clothes, 1.2), 0.15)
        canvas.stroke(
            curve((-1.08, -0.52), (-0.6, -0.76), (0, -0.83), (0.6, -0.76), (1.08, -0.52)),
            0.24,
            shade(face.clothes, 0.85),
            0.2,
        )
    else:  # scarf
        line = ((1.18, 0.6), (0.96, -0.2), (0.7, -0.66), (0, -0.84), (-0.7, -0.66), (-0.96, -0.2), (-1.18, 0.6))
        canvas.fill(_cap(*line, grow=1.16), shade(face.clothes, 1.25), 0.15)


def draw_beard(canvas: Canvas, face: Face) -> None:
    """Under the mouth, so that the mouth's shape stays in sight."""
    if face.beard in ("stubble", "full"):
        colour = mix(face.skin, face.hair, 0.35 if face.beard == "stubble" else 0.92)
        jaw = head_outline(face)[1:24]  # the lower half, from right to left
        inner = curve((-0.9, 0.3), (-0.62, 0.62), (-0.3, 0.52), (0, 0.47), (0.3, 0.52), (0.62, 0.62), (0.9, 0.3))
        canvas.fill(np.concatenate([jaw, inner]), colour, 0.2)
    elif face.beard == "moustache":
        half = curve((0.02, 0.46), (0.22, 0.47), (0.42, 0.58))
        for side in (half, mirrored(half)):
            canvas.stroke(side, 0.11, face.hair, 0.62, 0.5)


def draw_glasses(canvas: Canvas, face: Face) -> None:
    """Frames around the eyes, without reflections that would hide them."""
    if face.glasses == "none":
        return
    frame = shade(face.hair, 0.5)
    for side in (-1, 1):
        if face.glasses == "round":
            rim = ellipse(side * face.eye_gap, EYE_Y + 0.02, 0.31, 0.27)
        else:
            angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
            squared = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            squared = np.sign(squared) * np.abs(squared) ** 0.5
            rim = squared * np.array([0.32, 0.22]) + np.array([side * face.eye_gap, EYE_Y + 0.02])
        canvas.stroke(np.concatenate([rim, rim[:1]]), 0.035, frame, 0.55)
        edge = side * (face.eye_gap + 0.31)
        canvas.stroke(curve((edge, EYE_Y), (side * 1.0, EYE_Y - 0.05)), 0.035, frame, 0.3)
    bridge = face.eye_gap - 0.31
    canvas.stroke(curve((-bridge, EYE_Y), (0, EYE_Y - 0.04), (bridge, EYE_Y)), 0.035, frame, 0.6)


def draw_freckles(canvas: Canvas, face: Face) -> None:
    """A few dots over nose and cheeks."""
    if face.freckles:
        spots = np.random.default_rng(face.scene_seed + 1).uniform((-0.7, 0.18), (0.7, 0.44), size=(16, 2))
        for x, y in spots:
            canvas.fill(ellipse(float(x), float(y), 0.02, 0.02, 8), shade(face.skin, 0.78), 0.4)
