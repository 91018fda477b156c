"""Outputs of face detectors that hold known boxes, and ONNX files that give them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Box = tuple[float, float, float, float]
Outputs = dict[str, np.ndarray]


def yunet_outputs(boxes: dict[int, list[Box]], side: int) -> Outputs:
    """boxes: stride → faces, each written into the cell at its middle."""
    outputs: Outputs = {}
    for stride in (8, 16, 32):
        cells = (side // stride) ** 2
        outputs[f"cls_{stride}"] = np.zeros((1, cells, 1), np.float32)
        outputs[f"obj_{stride}"] = np.zeros((1, cells, 1), np.float32)
        outputs[f"bbox_{stride}"] = np.zeros((1, cells, 4), np.float32)
        outputs[f"kps_{stride}"] = np.zeros((1, cells, 10), np.float32)
        for left, top, right, bottom in boxes.get(stride, []):
            x, y = (left + right) / 2 / stride, (top + bottom) / 2 / stride
            cell = int(y) * (side // stride) + int(x)
            outputs[f"cls_{stride}"][0, cell] = 0.9
            outputs[f"obj_{stride}"][0, cell] = 0.81
            size = (math.log((right - left) / stride), math.log((bottom - top) / stride))
            outputs[f"bbox_{stride}"][0, cell] = (x - int(x), y - int(y), *size)
    return outputs


def scrfd_outputs(
    boxes: dict[int, list[Box]], side: int, strides: int = 3, landmarks: bool = True
) -> Outputs:
    """boxes: stride → faces, each written into the second anchor of the cell at its middle."""
    every, anchors = ((8, 16, 32), 2) if strides == 3 else ((8, 16, 32, 64, 128), 1)
    scores: Outputs = {}
    corners: Outputs = {}
    points: Outputs = {}
    for stride in every:
        columns = side // stride
        rows = columns * columns * anchors
        scores[f"score_{stride}"] = np.zeros((rows, 1), np.float32)
        corners[f"bbox_{stride}"] = np.zeros((rows, 4), np.float32)
        points[f"kps_{stride}"] = np.zeros((rows, 10), np.float32)
        for left, top, right, bottom in boxes.get(stride, []):
            column, row = int((left + right) / 2 / stride), int((top + bottom) / 2 / stride)
            index = (row * columns + column) * anchors + anchors - 1
            x, y = column * stride, row * stride
            scores[f"score_{stride}"][index] = 0.8
            distances = np.array([x - left, y - top, right - x, bottom - y]) / stride
            corners[f"bbox_{stride}"][index] = distances
    return {**scores, **corners, **points} if landmarks else {**scores, **corners}


def retina_outputs(boxes: list[tuple[int, int, Box]], side: int) -> Outputs:
    """boxes: (stride, size of the prior, face), written into the prior at its middle."""
    sizes = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
    total = sum(math.ceil(side / stride) ** 2 * 2 for stride in sizes)
    loc, conf = np.zeros((1, total, 4), np.float32), np.zeros((1, total, 2), np.float32)
    conf[0, :, 0] = 1.0
    for wanted, size, (left, top, right, bottom) in boxes:
        first = 0
        for stride, choices in sizes.items():
            columns = math.ceil(side / stride)
            if stride == wanted:
                x, y = (left + right) / 2, (top + bottom) / 2
                column, row = int(x / stride), int(y / stride)
                index = first + (row * columns + column) * 2 + choices.index(size)
                conf[0, index] = (0.05, 0.95)
                loc[0, index] = (
                    (x - (column + 0.5) * stride) / size / 0.1,
                    (y - (row + 0.5) * stride) / size / 0.1,
                    math.log((right - left) / size) / 0.2,
                    math.log((bottom - top) / size) / 0.2,
                )
            first += columns**2 * 2
    return {"loc": loc, "conf": conf, "landms": np.zeros((1, total, 10), np.float32)}


def save_constant(path: Path, outputs: Outputs, shape: list[int | str]) -> Path:
    """An ONNX file whose network gives these outputs for every picture of the shape."""
    nodes, infos, constants = [], [], []
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(array, f"planted_{name}"))
        nodes.append(helper.make_node("Identity", [f"planted_{name}"], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    return _save(path, nodes, infos, constants, shape)


def save_blue_detector(path: Path, side: int, box: Box) -> Path:
    """A YuNet whose scores are the first channel of the picture's first pixel, over 255."""
    outputs = yunet_outputs({16: [box]}, side)
    nodes, infos = [], []
    constants = [
        numpy_helper.from_array(np.zeros(4, np.int64), "from"),
        numpy_helper.from_array(np.ones(4, np.int64), "to"),
        numpy_helper.from_array(np.array(1 / 255, np.float32), "unit"),
        numpy_helper.from_array(np.array([1, 1, 1], np.int64), "one_number"),
    ]
    nodes.append(helper.make_node("Slice", ["input", "from", "to"], ["first"]))
    nodes.append(helper.make_node("Mul", ["first", "unit"], ["shade"]))
    nodes.append(helper.make_node("Reshape", ["shade", "one_number"], ["blue"]))
    for name, array in outputs.items():
        is_score = name[:3] in ("cls", "obj")
        planted = (array > 0).astype(np.float32) if is_score else array
        constants.append(numpy_helper.from_array(planted, f"planted_{name}"))
        if is_score:
            nodes.append(helper.make_node("Mul", [f"planted_{name}", "blue"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"planted_{name}"], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    return _save(path, nodes, infos, constants, [1, 3, side, side])


def _save(path: Path, nodes: list, infos: list, constants: list, shape: list[int | str]) -> Path:
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "planted", [entry], infos, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
