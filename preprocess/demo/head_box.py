"""Where the face of a drawn person is: the truth for training and testing face detectors."""

from __future__ import annotations

from semanticmac.preprocess.demo.face import Pose
from semanticmac.preprocess.demo.identity import Face

FOREHEAD = 0.75  # middle of the head to the top of the box, in half head widths

Box = tuple[float, float, float, float]  # left, top, right, bottom


def head_box(face: Face, pose: Pose, size_px: int) -> Box:
    """The box from forehead to chin of `draw_face(face, …, size_px, pose)`, in pixels.

    Roll and yaw are small and left out.
    """
    x = (0.5 + face.offset[0] + pose.shift[0]) * size_px
    y = (0.47 + face.offset[1] + pose.shift[1]) * size_px
    unit = face.scale * size_px
    return x - unit, y - FOREHEAD * unit, x + unit, y + face.length * unit
