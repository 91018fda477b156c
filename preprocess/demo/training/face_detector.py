"""Trains the detector of drawn faces and writes it as an ONNX file with the outputs of YuNet.

Run `python -m semanticmac.preprocess.demo.training.face_detector FILE.onnx`: five minutes on one
core. It needs the package onnx. Only the stride of 16 finds faces; the others give no score.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from semanticmac.preprocess.demo.face import Pose, draw_face, random_face
from semanticmac.preprocess.demo.head_box import Box, head_box
from semanticmac.preprocess.demo.scene import draw_scene

INPUT_PX = 320
STRIDES, ACTIVE_STRIDE = (8, 16, 32), 16
CELLS = INPUT_PX // ACTIVE_STRIDE
# Output channels, stride and dilation of each 3 × 3 convolution.
LAYERS = ((8, 2, 1), (16, 2, 1), (32, 2, 1), (48, 2, 1), (48, 1, 2), (48, 1, 2))
HEAD_CHANNELS = 5  # score and box
SCALE = 1 / 128  # of the pixels, which YuNet reads as 0 … 255
OPSET, IR_VERSION = 17, 8

STEPS, BATCH, LEARNING_RATE = 1100, 16, 3e-3
PICTURES = 1500  # drawn once, then composed anew for every batch


@dataclass(frozen=True)
class Tile:
    """One square drawing, and the box of its face in shares of the side; None = no face."""

    pixels: np.ndarray  # (224, 224, 3) uint8
    box: Box | None


class DrawnFaceNet(nn.Module):
    """(B, 3, 320, 320) BGR pixels 0 … 255 → (B, 5, 20, 20): logit and box of each cell."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, stride, dilation in LAYERS:
            layers += [nn.Conv2d(channels, width, 3, stride, dilation, dilation), nn.ReLU()]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, HEAD_CHANNELS, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        cells: Tensor = self.head(self.body(pixels * SCALE - 1.0))
        return cells


def draw_tiles(rng: Generator, count: int, size_px: int = 224) -> list[Tile]:
    """Random people; in each eight, one wall and one pattern of coloured bars without a person."""
    tiles = []
    for number in range(count):
        face = random_face(rng)
        if number % 8 == 0:
            wall = np.asarray(draw_scene(face, 2 * size_px).reduce(2))
            tiles.append(Tile(wall, None))
            continue
        if number % 8 == 1:
            tiles.append(Tile(_bars(rng, size_px), None))
            continue
        pose = Pose(
            (float(rng.uniform(-0.02, 0.02)), float(rng.uniform(-0.02, 0.02))),
            float(rng.uniform(-0.05, 0.05)),
            float(rng.uniform(-0.1, 0.1)),
        )
        picture = draw_face(
            face, float(rng.uniform(-3, 3)), float(rng.beta(1.2, 2.0)), size_px, pose
        )
        left, top, right, bottom = head_box(face, pose, size_px)
        box = (left / size_px, top / size_px, right / size_px, bottom / size_px)
        tiles.append(Tile(picture, box))
    return tiles


def _bars(rng: Generator, size_px: int) -> np.ndarray:
    """Coloured rectangles and discs, (size_px, size_px, 3) uint8."""
    rows, columns = (int(count) for count in rng.integers(1, 9, 2))
    cells = rng.integers(0, 256, (rows, columns, 3)).astype(np.uint8)
    picture = np.kron(cells, np.ones((-(-size_px // rows), -(-size_px // columns), 1), np.uint8))
    picture = picture[:size_px, :size_px].copy()
    y, x = np.mgrid[:size_px, :size_px]
    for _ in range(int(rng.integers(0, 6))):
        centre, radius = rng.uniform(0, size_px, 2), rng.uniform(0.03, 0.3) * size_px
        disc = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        picture[disc] = rng.integers(0, 256, 3)
    return picture


def compose(tiles: list[Tile], rng: Generator) -> tuple[np.ndarray, list[Box]]:
    """Some tiles in a row or in rows, on a black input (320, 320, 3), and the boxes in it."""
    canvas = np.zeros((INPUT_PX, INPUT_PX, 3), np.uint8)
    side = int(rng.choice((80, 100, 120, 160, 160, 213, 213, 320, 320, 320)))
    columns = INPUT_PX // side
    rows = int(rng.integers(1, columns + 1))
    boxes: list[Box] = []
    for row in range(rows):
        for column in range(columns):
            tile = tiles[int(rng.integers(len(tiles)))]
            left, top = column * side, row * side
            pixels = torch.from_numpy(np.array(tile.pixels)).permute(2, 0, 1)[None].float()
            small = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
            area = small[0].permute(1, 2, 0).numpy().astype(np.uint8)
            canvas[top : top + side, left : left + side] = area
            if tile.box is not None:
                x0, y0, x1, y1 = (side * edge for edge in tile.box)
                boxes.append((left + x0, top + y0, left + x1, top + y1))
    return canvas, boxes


def targets(boxes: list[Box]) -> np.ndarray:
    """(6, 20, 20): 1 in the cells at the middle of a face, its box as YuNet writes it, a weight.

    Cells beside the middle have the weight 0: they may answer either way.
    """
    target = np.zeros((6, CELLS, CELLS), np.float32)
    target[5] = 1.0
    for left, top, right, bottom in boxes:
        x, y = (left + right) / 2 / ACTIVE_STRIDE, (top + bottom) / 2 / ACTIVE_STRIDE
        column, row = min(int(x), CELLS - 1), min(int(y), CELLS - 1)
        around = np.s_[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        target[5][around] = np.where(target[0][around] > 0, target[5][around], 0.0)
        size = np.log([(right - left) / ACTIVE_STRIDE, (bottom - top) / ACTIVE_STRIDE])
        target[:, row, column] = (1.0, x - column, y - row, size[0], size[1], 1.0)
    return target


def train(seed: int = 0, steps: int = STEPS) -> DrawnFaceNet:
    """The trained network; the same seed gives the same one on one machine."""
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 11))
    tiles = draw_tiles(rng, PICTURES)
    network = DrawnFaceNet()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    for step in range(steps):
        pictures, wanted = [], []
        for _ in range(BATCH):
            canvas, boxes = compose(tiles, rng)
            pictures.append(canvas[:, :, ::-1].transpose(2, 0, 1))
            wanted.append(targets(boxes))
        pixels = torch.from_numpy(np.stack(pictures).astype(np.float32))
        loss = loss_of(network(pixels), torch.from_numpy(np.stack(wanted)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}", file=sys.stderr)
    return network


def loss_of(cells: Tensor, target: Tensor) -> Tensor:
    """cells (B, 5, 20, 20), target (B, 6, 20, 20) → cross-entropy of cells + error of boxes."""
    is_face, weight = target[:, 0], target[:, 5]
    score = F.binary_cross_entropy_with_logits(cells[:, 0], is_face, weight, reduction="sum")
    box = (cells[:, 1:] - target[:, 1:5]).abs().sum(1) * is_face
    loss: Tensor = (score + 2.0 * box.sum()) / is_face.sum().clamp(min=1.0)
    return loss


def write_onnx(network: DrawnFaceNet, path: Path) -> None:
    """Writes the network with the twelve outputs of YuNet. Needs the package onnx."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(array, name))
        return name

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    scale = constant("pixel_scale", np.array(SCALE, np.float32))
    one = constant("one", np.array(1.0, np.float32))
    current = node("Sub", [node("Mul", ["input", scale], "scaled"), one], "centred")
    convolutions = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    for number, layer in enumerate([*convolutions, network.head]):
        weights = constant(f"weight_{number}", layer.weight.detach().numpy())
        bias = constant(f"bias_{number}", _array(layer.bias))
        padding = int(layer.padding[0])
        current = node(
            "Conv",
            [current, weights, bias],
            f"conv_{number}",
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[padding] * 4,
            dilations=list(layer.dilation),
        )
        if layer is not network.head:
            current = node("Relu", [current], f"relu_{number}")
    rows = constant("rows", np.array([1, HEAD_CHANNELS, -1], np.int64))
    flat = node("Reshape", [current, rows], "flat")  # (1, 5, 400)
    cells = node("Transpose", [flat], "cells", perm=[0, 2, 1])  # (1, 400, 5)
    axis = constant("axis", np.array([2], np.int64))
    edges = [constant(f"edge_{edge}", np.array([edge], np.int64)) for edge in (0, 1, 5)]
    logit = node("Slice", [cells, edges[0], edges[1], axis], "logit")
    box = node("Slice", [cells, edges[1], edges[2], axis], "box")
    score = node("Sigmoid", [logit], "score")
    outputs = []
    for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES:
            name, count = f"{kind}_{stride}", (INPUT_PX // stride) ** 2
            if stride == ACTIVE_STRIDE and kind in ("cls", "obj"):
                node("Identity", [score], name)
            elif stride == ACTIVE_STRIDE and kind == "bbox":
                node("Identity", [box], name)
            else:
                zero = numpy_helper.from_array(np.zeros(1, np.float32))
                shape = constant(f"shape_{name}", np.array([1, count, width], np.int64))
                node("ConstantOfShape", [shape], name, value=zero)
            shape_out = [1, count, width]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape_out))
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, INPUT_PX, INPUT_PX])
    graph = helper.make_graph(nodes, "drawn-faces", [entry], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _array(bias: Tensor | None) -> np.ndarray:
    assert bias is not None
    array: np.ndarray = bias.detach().numpy()
    return array


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_onnx(train(), Path(sys.argv[1]))
