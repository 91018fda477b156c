"""A small vector canvas: polygons and brush strokes in head coordinates."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
# (n, 2): x to the right, y down, in half head widths from the middle of the head.
Points = NDArray[np.float64]

SUPERSAMPLING = 2  # Frames are drawn larger by this factor, then averaged for smooth edges.

_STEPS = np.arange(6) / 6  # points on each piece of a curve
_CATMULL_ROM = 0.5 * np.stack(
    [
        -_STEPS + 2 * _STEPS**2 - _STEPS**3,
        2 - 5 * _STEPS**2 + 3 * _STEPS**3,
        _STEPS + 4 * _STEPS**2 - 3 * _STEPS**3,
        -(_STEPS**2) + _STEPS**3,
    ],
    axis=1,
)  # (6, 4): the weights of four knots for each point


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour at the share `share` (0 … 1) of the way from first to second."""
    share = min(1.0, max(0.0, share))
    blended = [round(a + (b - a) * share) for a, b in zip(first, second, strict=True)]
    return blended[0], blended[1], blended[2]


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or lighter (factor > 1)."""
    if factor < 1:
        return mix(colour, (0, 0, 0), 1 - factor)
    return mix(colour, (255, 255, 255), factor - 1)


# Most lines of a face stay the same through a clip.
@lru_cache(maxsize=512)
def curve(*points: tuple[float, float]) -> Points:
    """A smooth line (n, 2) through the given points (Catmull-Rom, six steps for each piece)."""
    knots = np.array([points[0], *points, points[-1]], dtype=np.float64)
    windows = np.stack([knots[:-3], knots[1:-2], knots[2:-1], knots[3:]])  # (4, pieces, 2)
    pieces = np.einsum("sk,kpx->psx", _CATMULL_ROM, windows).reshape(-1, 2)
    line = np.concatenate([pieces, knots[-1:]])
    line.flags.writeable = False  # The cached array is shared.
    return line


def arch(*points: tuple[float, float]) -> Points:
    """A smooth line through the given points to the middle, and on through their mirror images."""
    back = points[-2::-1] if points[-1][0] == 0 else points[::-1]
    return curve(*points, *((-x, y) for x, y in back))


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 28) -> Points:
    """The outline (steps, 2) of an ellipse."""
    outline: Points = _circle(steps) * (rx, ry) + (x, y)
    return outline


@cache
def _circle(steps: int) -> Points:
    angle = np.linspace(0, 2 * math.pi, steps, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def mirrored(points: Points) -> Points:
    """The same points on the other side of the face."""
    return np.stack([-points[:, 0], points[:, 1]], axis=1)


@cache
def _ends(count: int) -> Points:
    """(count, 1): 1 at both ends of a line, 0 in its middle."""
    ends: Points = np.linspace(-1, 1, count)[:, None] ** 2
    return ends


class Canvas:
    """A square image with the position of the head in it.

    Each shape has a depth in front of the middle of the head (half head widths). Turning the head
    by `yaw` moves shapes sideways by their depth, so nose, eyes and hair shift against each other.
    """

    def __init__(
        self,
        background: Image.Image,
        centre: tuple[float, float],
        unit: float,
        roll: float,
        yaw: float,
    ) -> None:
        """Draws on `background` (S, S).

        centre and unit (half a head width) are in its pixels, roll and yaw in radians.
        """
        self.image = background
        self._draw = ImageDraw.Draw(background)
        self.unit = unit
        self._centre = np.array(centre)
        rotation = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
        self._matrix = rotation * unit  # applied to row vectors
        self._turned = np.array([[math.cos(yaw)], [1.0]]) * self._matrix
        self._swing = math.sin(yaw)

    def _pixels(self, points: Points, depth: float) -> list[float]:
        # Yaw turns x into x·cos + depth·sin. Roll, scale and the position of the head follow.
        origin = self._centre + self._swing * depth * self._matrix[0]
        flat: list[float] = (points @ self._turned + origin).ravel().tolist()
        return flat

    def fill(self, points: Points, colour: Colour, depth: float = 0.0) -> None:
        """Fill the outline points (n, 2)."""
        self._draw.polygon(self._pixels(points, depth), fill=colour)

    def stroke(
        self, points: Points, width: float, colour: Colour, depth: float = 0.0, taper: float = 0.0
    ) -> None:
        """Draw along points (n, 2), `width` half head widths wide; taper 1 gives sharp ends."""
        half = 0.5 * width * (1 - taper * _ends(len(points)))
        tangent = np.empty_like(points)
        tangent[1:-1] = points[2:] - points[:-2]
        tangent[0] = points[1] - points[0]
        tangent[-1] = points[-1] - points[-2]
        tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
        normal = tangent[:, ::-1] * half * (-1, 1)
        self.fill(np.concatenate([points + normal, (points - normal)[::-1]]), colour, depth)
        if taper < 0.5:  # round ends
            for end, radius in ((points[0], half[0, 0]), (points[-1], half[-1, 0])):
                self.fill(ellipse(end[0], end[1], radius, radius, 12), colour, depth)
