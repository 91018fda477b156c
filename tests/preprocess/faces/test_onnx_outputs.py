"""Planted outputs of each family are decoded to their boxes; slow twins agree on random ones."""

import math

import numpy as np
import pytest
from support.planted_detectors import retina_outputs, scrfd_outputs, yunet_outputs

from semanticmac.preprocess.faces.detector import DetectorError
from semanticmac.preprocess.faces.onnx_outputs import (
    RETINA_SIZES,
    decode,
    decode_retinaface,
    decode_scrfd,
    decode_yunet,
    kind_of,
    retina_priors,
)

SIDE = 128
SMALL, MIDDLE, LARGE = (10.0, 20.0, 30.0, 44.0), (40.0, 40.0, 90.0, 100.0), (5.0, 3.0, 121.0, 125.0)


def sorted_boxes(faces) -> np.ndarray:
    return faces.boxes[np.argsort(faces.boxes[:, 2])]


def test_yunet_boxes_of_every_stride_are_found():
    outputs = yunet_outputs({8: [SMALL], 16: [MIDDLE], 32: [LARGE]}, SIDE)
    assert kind_of(outputs) == "yunet"
    faces = decode("yunet", outputs, SIDE, SIDE)
    np.testing.assert_allclose(sorted_boxes(faces), [SMALL, MIDDLE, LARGE], atol=1e-4)
    np.testing.assert_allclose(faces.scores, math.sqrt(0.9 * 0.81), atol=1e-6)


@pytest.mark.parametrize(("strides", "landmarks"), [(3, True), (3, False), (5, True), (5, False)])
def test_scrfd_boxes_are_found_with_and_without_landmarks(strides, landmarks):
    outputs = scrfd_outputs({8: [SMALL], 16: [MIDDLE], 32: [LARGE]}, SIDE, strides, landmarks)
    assert len(outputs) in (6, 9, 10, 15)
    assert kind_of(outputs) == "scrfd"
    faces = decode("scrfd", outputs, SIDE, SIDE)
    np.testing.assert_allclose(sorted_boxes(faces), [SMALL, MIDDLE, LARGE], atol=1e-4)


def test_the_order_of_the_outputs_does_not_matter():
    outputs = scrfd_outputs({8: [SMALL], 32: [LARGE]}, SIDE)
    shuffled = dict(reversed(outputs.items()))
    assert kind_of(shuffled) == "scrfd"
    np.testing.assert_array_equal(
        decode("scrfd", shuffled, SIDE, SIDE).boxes, decode("scrfd", outputs, SIDE, SIDE).boxes
    )


def test_retinaface_boxes_are_found_from_their_priors():
    outputs = retina_outputs([(8, 16, SMALL), (16, 64, MIDDLE), (32, 256, LARGE)], SIDE)
    assert kind_of(outputs) == "retinaface"
    faces = decode("retinaface", outputs, SIDE, SIDE)
    np.testing.assert_allclose(sorted_boxes(faces), [SMALL, MIDDLE, LARGE], atol=1e-3)
    np.testing.assert_allclose(faces.scores, 0.95, atol=1e-6)


def random_like(outputs: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, array in outputs.items():
        drawn[name] = rng.uniform(-0.2, 1.2, array.shape).astype(np.float32)
    return drawn


def test_yunet_agrees_with_a_loop():
    height, width = 64, 96
    outputs = {}
    for stride in (8, 16, 32):
        cells = (height // stride) * (width // stride)
        for name, numbers in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{name}_{stride}"] = np.zeros((1, cells, numbers))
    outputs = random_like(outputs, 1)
    expected, scores = [], []
    for stride in (8, 16, 32):
        for row in range(height // stride):
            for column in range(width // stride):
                cell = row * (width // stride) + column
                dx, dy, w, h = outputs[f"bbox_{stride}"][0, cell]
                x, y = (column + dx) * stride, (row + dy) * stride
                w, h = math.exp(w) * stride, math.exp(h) * stride
                expected.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
                cls = min(max(outputs[f"cls_{stride}"][0, cell, 0], 0.0), 1.0)
                obj = min(max(outputs[f"obj_{stride}"][0, cell, 0], 0.0), 1.0)
                scores.append(math.sqrt(cls * obj))
    faces = decode_yunet(outputs, height, width)
    np.testing.assert_allclose(faces.boxes, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(faces.scores, scores, atol=1e-6)


def test_scrfd_agrees_with_a_loop():
    height, width = 64, 96
    outputs = {}
    for name, numbers in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            outputs[f"{name}_{stride}"] = np.zeros(
                ((height // stride) * (width // stride) * 2, numbers)
            )
    outputs = random_like(outputs, 2)
    expected = []
    for stride in (8, 16, 32):
        index = 0
        for row in range(height // stride):
            for column in range(width // stride):
                for _ in range(2):
                    left, top, right, bottom = outputs[f"bbox_{stride}"][index] * stride
                    x, y = column * stride, row * stride
                    expected.append((x - left, y - top, x + right, y + bottom))
                    index += 1
    np.testing.assert_allclose(
        decode_scrfd(outputs, height, width).boxes, expected, rtol=1e-5, atol=1e-4
    )


def test_retinaface_agrees_with_a_loop_on_sides_that_no_stride_divides():
    height, width = 50, 70
    priors = []
    for stride, sizes in RETINA_SIZES.items():
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                for size in sizes:
                    priors.append(((column + 0.5) * stride, (row + 0.5) * stride, size, size))
    np.testing.assert_allclose(retina_priors(height, width), priors)
    count = len(priors)
    shapes = {"loc": (1, count, 4), "conf": (1, count, 2), "landms": (1, count, 10)}
    outputs = random_like({name: np.zeros(shape) for name, shape in shapes.items()}, 3)
    expected = []
    for (x, y, size, _), (dx, dy, w, h) in zip(priors, outputs["loc"][0], strict=True):
        x, y = x + dx * 0.1 * size, y + dy * 0.1 * size
        w, h = size * math.exp(0.2 * w), size * math.exp(0.2 * h)
        expected.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    faces = decode_retinaface(outputs, height, width)
    np.testing.assert_allclose(faces.boxes, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"logits": (1, 1000)},
        {"boxes": (1, 4420, 4), "scores": (1, 4420, 2)},
        {"a": (10, 1), "b": (10, 1), "c": (10, 4), "d": (10, 10)},
    ],
)
def test_other_networks_are_refused_with_their_outputs(shapes):
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    first = next(iter(shapes), "none")
    with pytest.raises(DetectorError, match=f"its outputs are {first}.*expected the outputs of Yu"):
        kind_of(outputs)


def test_a_family_with_other_strides_is_refused():
    outputs = {}
    for stride in (4, 8, 16):
        cells = (SIDE // stride) ** 2 * 2
        outputs[f"score_{stride}"] = np.zeros((cells, 1), np.float32)
        outputs[f"bbox_{stride}"] = np.zeros((cells, 4), np.float32)
    assert kind_of(outputs) == "scrfd"
    with pytest.raises(DetectorError, match="has 2048 rows, expected 512"):
        decode("scrfd", outputs, SIDE, SIDE)
