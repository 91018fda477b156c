"""What the search for faces needs of a detector, and its boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class DetectorError(Exception):
    """A file is no usable face detector; the message says what came and what was expected."""


@dataclass(frozen=True)
class Faces:
    """The faces in one frame, the most certain first."""

    boxes: np.ndarray  # (N, 4) float32: left, top, right, bottom in pixels of the frame
    scores: np.ndarray  # (N,) float32, 0 … 1

    def __len__(self) -> int:
        return len(self.scores)


class FaceDetector(Protocol):
    """Finds the faces of a frame. The same frame gives the same boxes."""

    kind: str  # "yunet", "scrfd", "retinaface"
    digest: str  # SHA-256 of its weights

    def detect(self, frame: np.ndarray) -> Faces:
        """The faces of a frame (H, W, 3) uint8 RGB."""


def suppress(faces: Faces, most_overlap: float) -> Faces:
    """Keeps of boxes that overlap by more than `most_overlap` the most certain one."""
    order = np.argsort(-faces.scores, kind="stable")
    kept: list[int] = []
    for index in order:
        overlaps = overlap(faces.boxes[index], faces.boxes[kept])
        if not len(overlaps) or overlaps.max() <= most_overlap:
            kept.append(int(index))
    return Faces(faces.boxes[kept], faces.scores[kept])


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) with each of the others (N, 4) → (N,)."""
    left_top = np.maximum(box[:2], others[:, :2])
    right_bottom = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(right_bottom - left_top, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    ratio: np.ndarray = shared / np.maximum(areas - shared, 1e-9)
    return ratio
