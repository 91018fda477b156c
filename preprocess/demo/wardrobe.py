"""The outline of the head, the body, clothes, glasses, earrings and freckles."""

from __future__ import annotations

import numpy as np

from semanticmac.preprocess.demo.features import EYE_Y
from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.paint import Canvas, Points, arch, curve, ellipse, mirrored, shade

CROWN = 1.22  # middle of the head to its top


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
    if face.collar == "hood":
        canvas.fill(ellipse(0, chin + 0.5, 1.12, 0.5), shade(face.clothes, 0.8), -0.3)
    shoulders = arch((-2.6, 4.0), (-2.1, chin + 0.95), (-0.9, chin + 0.55), (0, chin + 0.5))
    canvas.fill(shoulders, face.clothes, -0.3)
    neck = arch((-0.46, 0.6), (-0.44, chin + 0.3), (-0.6, chin + 0.55), (0, chin + 0.85))
    canvas.fill(neck, shade(face.skin, 0.93), -0.2)
    canvas.fill(ellipse(0, chin - 0.12, 0.46, 0.34), shade(face.skin, 0.76), -0.1)
    if face.collar == "shirt":
        tip, back = (0.02, chin + 0.9), (0.5, chin + 0.42)
        flap = curve(tip, back, (0.72, chin + 0.62), (0.34, chin + 1.1), tip)
        for side in (flap, mirrored(flap)):
            canvas.fill(side, shade(face.clothes, 1.25), -0.2)
    elif face.collar == "hood":
        for x in (-0.22, 0.22):
            canvas.stroke(
                curve((x, chin + 0.75), (x * 1.3, chin + 1.3)), 0.06, shade(face.clothes, 1.5), -0.2
            )
    for x in (-1.0, 1.0):
        canvas.fill(ellipse(x, 0.06, 0.17, 0.27), shade(face.skin, 0.92), -0.1)
        canvas.fill(ellipse(1.02 * x, 0.07, 0.09, 0.17), shade(face.skin, 0.78), -0.1)
        if face.earrings:
            canvas.fill(ellipse(1.05 * x, 0.36, 0.06, 0.06), (232, 196, 90), -0.1)


def draw_freckles(canvas: Canvas, face: Face) -> None:
    """A few dots over nose and cheeks."""
    if face.freckles:
        spots = np.random.default_rng(face.scene_seed + 1).uniform(
            (-0.7, 0.18), (0.7, 0.44), size=(16, 2)
        )
        for x, y in spots.tolist():
            canvas.fill(ellipse(x, y, 0.02, 0.02, 8), shade(face.skin, 0.78), 0.4)


def draw_glasses(canvas: Canvas, face: Face) -> None:
    """Frames around the eyes, without reflections that would hide them."""
    if face.glasses == "none":
        return
    frame = shade(face.hair, 0.5)
    for side in (-1, 1):
        rim = ellipse(0, 0, 0.31, 0.27)
        if face.glasses == "square":
            unit = ellipse(0, 0, 1, 1)
            rim = np.sign(unit) * np.abs(unit) ** 0.5 * (0.32, 0.22)
        rim += np.array([side * face.eye_gap, EYE_Y + 0.02])
        canvas.stroke(np.concatenate([rim, rim[:1]]), 0.035, frame, 0.55)
        edge = side * (face.eye_gap + 0.31)
        canvas.stroke(curve((edge, EYE_Y), (side * 1.0, EYE_Y - 0.05)), 0.035, frame, 0.3)
    bridge = face.eye_gap - 0.31
    canvas.stroke(curve((-bridge, EYE_Y), (0, EYE_Y - 0.04), (bridge, EYE_Y)), 0.035, frame, 0.6)
