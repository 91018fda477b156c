"""The outputs of three families of face detectors → boxes in pixels of the network's input.

The family follows from the widths of the outputs: 1 = a score, 4 = a box, 10 = five landmarks.

yunet       6 × 1, 3 × 4, 3 × 10   one cell for each stride of 8, 16, 32; score √(class · object)
scrfd       n × 1, n × 4, n × 10   n = 3 strides with two anchors, or 5 strides with one; the
                                   landmarks may be absent
retinaface  1 × 2, 1 × 4, 1 × 10   prior boxes of three strides, two sizes each; variances
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from semanticmac.preprocess.faces.detector import DetectorError, Faces

Kind = Literal["yunet", "scrfd", "retinaface"]
SCORE, BOX, LANDMARKS, TWO_CLASSES = 1, 4, 10, 2

RETINA_SIZES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
RETINA_VARIANCES = (0.1, 0.2)
EXPECTED = (
    "expected the outputs of YuNet (12: cls, obj, bbox and kps of the strides 8, 16, 32), of SCRFD "
    "(6, 9, 10 or 15: scores, boxes and landmarks of 3 or 5 strides), or of RetinaFace (3: boxes, "
    "two classes, landmarks)"
)


@dataclass(frozen=True)
class Preparation:
    """How the pixels of a frame enter a family's network: (pixel − mean) / scale."""

    mean: tuple[float, float, float]  # in the order of the channels
    scale: float
    blue_first: bool  # the network reads BGR


PREPARATIONS: dict[Kind, Preparation] = {
    "yunet": Preparation((0.0, 0.0, 0.0), 1.0, blue_first=True),
    "scrfd": Preparation((127.5, 127.5, 127.5), 128.0, blue_first=False),
    "retinaface": Preparation((104.0, 117.0, 123.0), 1.0, blue_first=True),
}
# The least score of a face, as the authors of each family use it.
LEAST_SCORES: dict[Kind, float] = {"yunet": 0.6, "scrfd": 0.5, "retinaface": 0.6}


def kind_of(outputs: Mapping[str, np.ndarray]) -> Kind:
    """The family of a network, by the shapes of its outputs. Raises DetectorError."""
    widths = [_width(array) for array in outputs.values()]
    scores, boxes, landmarks = widths.count(SCORE), widths.count(BOX), widths.count(LANDMARKS)
    if (scores, boxes, landmarks) == (6, 3, 3) and len(widths) == 12:
        return "yunet"
    no_others = scores + boxes + landmarks == len(widths)
    if no_others and scores == boxes in (3, 5) and landmarks in (0, scores):
        return "scrfd"
    if sorted(widths) == [TWO_CLASSES, BOX, LANDMARKS]:
        return "retinaface"
    shapes = [f"{name} {tuple(array.shape)}" for name, array in outputs.items()]
    raise DetectorError(f"its outputs are {', '.join(shapes) or 'none'}; {EXPECTED}")


def decode(kind: Kind, outputs: Mapping[str, np.ndarray], height: int, width: int) -> Faces:
    """All boxes above the least score, in pixels of the network's input (height, width).

    Raises DetectorError where an output has another number of rows than the input asks for.
    """
    decoders: dict[Kind, Callable[[Mapping[str, np.ndarray], int, int], Faces]] = {
        "yunet": decode_yunet,
        "scrfd": decode_scrfd,
        "retinaface": decode_retinaface,
    }
    faces = decoders[kind](outputs, height, width)
    certain = faces.scores >= LEAST_SCORES[kind]
    return Faces(faces.boxes[certain], faces.scores[certain])


def decode_yunet(outputs: Mapping[str, np.ndarray], height: int, width: int) -> Faces:
    """A cell at (column, row) has its centre at (column + dx) · stride, and sides e^w · stride."""
    strides = (8, 16, 32)
    scores, boxes = _by_width(outputs, SCORE), _by_width(outputs, BOX)
    parts = []
    for position, stride in enumerate(strides):
        cells = _grid(height, width, stride, 1)
        # Two outputs of each stride are scores: of the class and of the object. Order is no matter.
        score_class, score_object = scores[2 * position], scores[2 * position + 1]
        box = boxes[position]
        _require_rows("yunet", (score_class, score_object, box), len(cells))
        centres = (cells + box[:, :2]) * stride
        sizes = _grown(box[:, 2:]) * stride
        certainty = np.clip(score_class[:, 0], 0, 1) * np.clip(score_object[:, 0], 0, 1)
        parts.append(Faces(_corners(centres, sizes), np.sqrt(certainty)))
    return _joined(parts)


def decode_scrfd(outputs: Mapping[str, np.ndarray], height: int, width: int) -> Faces:
    """A box is four distances in strides from the corner of its cell: left, top, right, bottom."""
    scores, boxes = _by_width(outputs, SCORE), _by_width(outputs, BOX)
    strides, anchors = ((8, 16, 32), 2) if len(scores) == 3 else ((8, 16, 32, 64, 128), 1)
    parts = []
    for stride, score, box in zip(strides, scores, boxes, strict=True):
        points = _grid(height, width, stride, anchors) * stride
        _require_rows("scrfd", (score, box), len(points))
        distances = box * stride
        corners = np.concatenate([points - distances[:, :2], points + distances[:, 2:]], axis=1)
        parts.append(Faces(corners.astype(np.float32), score[:, 0]))
    return _joined(parts)


def decode_retinaface(outputs: Mapping[str, np.ndarray], height: int, width: int) -> Faces:
    """Offsets from prior boxes: centre + 0.1 · d · size, size · e^(0.2 · d)."""
    [box], [score] = _by_width(outputs, BOX), _by_width(outputs, TWO_CLASSES)
    priors = retina_priors(height, width)
    _require_rows("retinaface", (box, score), len(priors))
    sizes = priors[:, 2:]
    centres = priors[:, :2] + box[:, :2] * RETINA_VARIANCES[0] * sizes
    sizes = sizes * _grown(box[:, 2:] * RETINA_VARIANCES[1])
    return Faces(_corners(centres, sizes), score[:, 1])


def retina_priors(height: int, width: int) -> np.ndarray:
    """(N, 4) centre and size of every prior box in pixels, in the order of the outputs."""
    parts = []
    for stride, sizes in RETINA_SIZES.items():
        centres = (_grid(height, width, stride, len(sizes)) + 0.5) * stride
        sides = np.tile(np.array(sizes, np.float32), len(centres) // len(sizes))
        parts.append(np.concatenate([centres, sides[:, None], sides[:, None]], axis=1))
    return np.concatenate(parts).astype(np.float32)


def _grid(height: int, width: int, stride: int, anchors: int) -> np.ndarray:
    """(N, 2) column and row of every cell, row by row; each cell `anchors` times."""
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return np.repeat(cells, anchors, axis=0).astype(np.float32)


def _corners(centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return corners.astype(np.float32)


def _grown(logarithms: np.ndarray) -> np.ndarray:
    """e^x without overflow: no face is e^20 strides wide."""
    grown: np.ndarray = np.exp(np.minimum(logarithms, 20.0))
    return grown


def _width(array: np.ndarray) -> int:
    return array.shape[-1] if array.ndim else 0


def _by_width(outputs: Mapping[str, np.ndarray], width: int) -> list[np.ndarray]:
    """The outputs of one width as (rows, width), those with most rows (small strides) first."""
    arrays = []
    for array in outputs.values():
        if _width(array) == width:
            arrays.append(array.reshape(-1, width).astype(np.float32))
    return sorted(arrays, key=len, reverse=True)


def _require_rows(kind: str, arrays: Sequence[np.ndarray], rows: int) -> None:
    for array in arrays:
        if len(array) != rows:
            raise DetectorError(
                f"an output of its {kind} network has {len(array)} rows, expected {rows}; it is of "
                "another version of that family"
            )


def _joined(parts: Sequence[Faces]) -> Faces:
    boxes = np.concatenate([part.boxes for part in parts])
    return Faces(boxes, np.concatenate([part.scores for part in parts]))
