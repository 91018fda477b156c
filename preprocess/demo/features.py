"""Eyes, brows, nose, cheeks and mouth: the parts of a drawn face that show its affect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.preprocess.demo.identity import Face
from semanticmac.preprocess.demo.paint import Canvas, Points, curve, ellipse, mirrored, mix, shade

EYE_Y, MOUTH_Y = -0.02, 0.72  # heights on the head
TEETH, MOUTH_INSIDE, TONGUE = (250, 248, 242), (94, 26, 34), (206, 92, 98)


@dataclass(frozen=True)
class Expression:
    """The state of each part, 0 at rest. All parts follow from one affect."""

    smile: float  # corners of the mouth up (> 0) or down, 1 = fully
    grin: float  # teeth visible without speech
    squint: float  # lower lids and cheeks pushed up
    lids: float  # upper lids higher (> 0) or lower
    brow_height: float  # brows up (> 0) or down
    brow_tilt: float  # inner ends up (sad, > 0) or down (angry, < 0)
    blush: float  # colour of the cheeks


def expression(face: Face, affect: float) -> Expression:
    """The expression of `face` for an affect of −3 … 3.

    Positive affect looks alike in all faces; negative affect looks sad or angry by `face.temper`.
    """
    feeling = face.gain * affect / 3
    good, bad = max(feeling, 0.0), max(-feeling, 0.0)
    return Expression(
        smile=feeling + face.resting_mouth,
        grin=max(0.0, good - 0.3),
        squint=good,
        lids=0.30 * good - 0.38 * bad + face.resting_lids,
        brow_height=0.13 * good - 0.06 * bad + 0.12 * face.resting_brow,
        brow_tilt=bad * (1 - 2 * face.temper) + 0.35 * bad + 0.4 * face.resting_brow,
        blush=good - 0.4 * bad,
    )


def draw_eyes(canvas: Canvas, face: Face, look: Expression, blink: float) -> None:
    """Both eyes; blink 0 = as in the expression, 1 = closed."""
    span = np.linspace(-1, 1, 17)  # from the outer corner to the inner corner
    arc = 1 - np.abs(span) ** 2.2
    half = 0.185 * face.eye_size
    # sad: inner part higher; angry: cut from the inside
    slant = -0.28 * look.brow_tilt * span * (span > -0.6)
    up = 0.165 * face.eye_size * (1 + look.lids) * (arc + slant * arc) * (1 - blink)
    low = 0.12 * face.eye_size * arc * (1 - 0.85 * look.squint) * (1 - blink) + 0.015 * blink * arc
    line = shade(face.skin, 0.28)
    for side in (-1, 1):
        x = -side * span * half + side * face.eye_gap
        upper = np.stack([x, EYE_Y - up], axis=1)
        lower = np.stack([x, EYE_Y + low], axis=1)
        canvas.fill(np.concatenate([upper, lower[::-1]]), (250, 250, 246), depth=0.45)
        for radius, colour in ((0.112, face.iris), (0.058, (18, 14, 14))):
            iris = ellipse(
                side * face.eye_gap,
                EYE_Y - 0.01,
                radius * face.eye_size,
                radius * face.eye_size,
                20,
            )
            order = np.argsort(x)
            top = np.interp(iris[:, 0], x[order], upper[order, 1])
            bottom = np.interp(iris[:, 0], x[order], lower[order, 1])
            iris[:, 1] = np.clip(iris[:, 1], top, np.maximum(top, bottom))
            canvas.fill(iris, colour, depth=0.45)
        if blink < 0.5:
            canvas.fill(
                ellipse(side * face.eye_gap + 0.035, EYE_Y - 0.05, 0.024, 0.024, 10),
                (255, 255, 255),
                depth=0.45,
            )
        canvas.stroke(upper, 0.05, line, depth=0.45, taper=0.4)
        canvas.stroke(lower, 0.018, mix(face.skin, line, 0.5), depth=0.45)
        if look.squint > 0.15:
            # The fold of the cheek under a smiling eye.
            fold = np.stack(
                [x * 1.02, EYE_Y + 0.15 - 0.05 * look.squint + 0.05 * (1 - span**2)], axis=1
            )
            canvas.stroke(
                fold[3:-3], 0.022, shade(face.skin, 1 - 0.3 * look.squint), depth=0.45, taper=0.9
            )


def draw_brows(canvas: Canvas, face: Face, look: Expression) -> None:
    """Both brows with their height and tilt; angry brows also fold the skin between them."""
    colour = shade(mix(face.hair, face.skin, 0.12), 0.75)
    tilt, height = 0.14 * look.brow_tilt, EYE_Y - 0.33 - look.brow_height
    gap = face.eye_gap
    inner = gap - 0.22
    right = curve(
        (gap + 0.24, height + 0.05 + 0.7 * tilt),
        (gap + 0.02, height - 0.05 - 0.05 * look.squint),
        (inner, height + 0.02 - tilt),
    )
    for brow in (right, mirrored(right)):
        canvas.stroke(brow, face.brow, colour, depth=0.5, taper=0.45)
    if look.brow_tilt < -0.3:
        crease = curve((0.06, height + 0.02), (0.05, height + 0.14))
        for wrinkle in (crease, mirrored(crease)):
            canvas.stroke(wrinkle, 0.025, shade(face.skin, 0.72), depth=0.5, taper=0.9)
    elif look.brow_tilt > 0.5:
        for lift in (0.16, 0.24):
            end = height - lift + 0.03
            wrinkle = curve((-0.2, end), (0, height - lift), (0.2, end))
            canvas.stroke(wrinkle, 0.02, shade(face.skin, 0.8), depth=0.5, taper=0.9)


def draw_cheeks(canvas: Canvas, face: Face, look: Expression) -> None:
    """Rosy and round for positive affect, pale and with lines from the nose for negative affect."""
    rosy = mix(face.skin, (232, 84, 84), 0.12 + 0.22 * max(-0.5, look.blush))
    radius = 0.2 + 0.04 * max(0.0, look.blush)
    for side in (-1, 1):
        canvas.fill(
            ellipse(side * 0.62, 0.34 - 0.05 * look.squint, radius, radius * 0.7), rosy, depth=0.3
        )
        bad = max(0.0, -look.smile)
        fold = curve(
            (side * 0.24, 0.40),
            (side * (0.40 + 0.05 * look.smile), 0.52),
            (side * (0.47 + 0.06 * look.smile), 0.68),
        )
        strength = max(bad, look.squint)
        if strength > 0.15:
            canvas.stroke(fold, 0.028, shade(face.skin, 1 - 0.26 * strength), depth=0.42, taper=0.9)


def draw_nose(canvas: Canvas, face: Face) -> None:
    """A shadow and the tip with two nostrils."""
    size, dark = face.nose, shade(face.skin, 0.8)
    canvas.fill(
        curve((-0.02, 0.02), (0.14 * size, 0.33), (0, 0.40), (-0.10 * size, 0.36), (-0.02, 0.02)),
        shade(face.skin, 0.9),
        0.75,
    )
    canvas.stroke(
        curve((-0.13 * size, 0.33), (-0.07 * size, 0.40), (0.07 * size, 0.40), (0.13 * size, 0.33)),
        0.035,
        dark,
        0.75,
        0.4,
    )


def draw_mouth(canvas: Canvas, face: Face, look: Expression, opening: float) -> None:
    """The mouth between two curves over its width: lips, teeth, inside and tongue.

    Speech moves the lips apart (`opening`, 0 … 1); the affect alone places the corners. A happy
    mouth opens downwards and an unhappy mouth upwards, so an open mouth shows the affect as clearly
    as a closed one.
    """
    smile = float(np.clip(look.smile, -1.25, 1.25))
    good, bad = max(smile, 0.0), max(-smile, 0.0)
    half = face.mouth * (1 + 0.34 * good + 0.08 * bad) * (1 - 0.10 * opening)
    t = np.linspace(-1, 1, 25)
    arc = 1 - t**2
    middle = MOUTH_Y + (face.length - 1.3) * 0.5 + (0.20 * good - 0.25 * bad) * (arc - 0.55)
    gap = 0.30 * opening + 0.16 * look.grin
    downward = 0.5 + 0.42 * float(np.clip(smile, -1, 1))
    upper, lower = middle - gap * (1 - downward) * arc, middle + gap * downward * arc**0.8
    x = t * half

    def outline(top: Points, bottom: Points) -> Points:
        return np.concatenate([np.stack([x, top], axis=1), np.stack([x, bottom], axis=1)[::-1]])

    fullness = 0.075 * face.lips * (1 - 0.35 * bad)
    bow = arc**0.7 * (1 - 0.35 * np.exp(-((t / 0.16) ** 2)))
    shadow = ellipse(0, float(lower.max()) + 0.14, 0.17, 0.03 + 0.02 * bad)
    canvas.fill(shadow, shade(face.skin, 0.86 - 0.1 * bad), 0.55)
    canvas.fill(outline(upper - fullness * bow, lower + 1.25 * fullness * arc**0.7), face.lip, 0.6)
    if gap > 0.02:
        canvas.fill(outline(upper, lower), MOUTH_INSIDE, 0.6)
        tongue = np.maximum(upper, lower - 0.4 * gap * np.clip(1 - (t / 0.7) ** 2, 0, 1))
        canvas.fill(outline(tongue, lower), TONGUE, 0.6)
        teeth = np.minimum(
            lower, upper + min(0.13, 0.05 + 0.10 * good) * arc**0.4 * min(1.0, gap / 0.06)
        )
        canvas.fill(outline(upper, teeth), TEETH, 0.6)
    else:
        canvas.stroke(outline(middle, middle)[: len(t)], 0.035, shade(face.lip, 0.4), 0.6, 0.3)
    # The corners continue into the cheeks.
    for side in (-1, 1):
        corner = (side * half, float(middle[0]))
        end = (side * (half + 0.06), float(middle[0]) - 0.09 * smile)
        canvas.stroke(curve(corner, end), 0.035, shade(face.skin, 0.62), 0.58, 0.35)
