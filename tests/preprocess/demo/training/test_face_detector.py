"""The packaged detector finds the drawn faces of people that it was not trained on."""

import numpy as np
import pytest
import torch

from semanticmac.preprocess.demo.face import Pose, draw_face, random_face
from semanticmac.preprocess.demo.head_box import head_box
from semanticmac.preprocess.demo.scene import draw_scene
from semanticmac.preprocess.demo.training.face_detector import (
    ACTIVE_STRIDE,
    INPUT_PX,
    DrawnFaceNet,
    compose,
    draw_tiles,
    loss_of,
    targets,
    write_onnx,
)
from semanticmac.preprocess.faces.detector import overlap
from semanticmac.preprocess.faces.finder import DRAWN_FILE
from semanticmac.preprocess.faces.onnx_detector import OnnxDetector


def test_new_faces_are_found_where_they_are():
    detector = OnnxDetector(DRAWN_FILE)
    assert detector.kind == "yunet"
    overlaps = []
    for number in range(20):
        rng = np.random.default_rng((99, number))
        face = random_face(rng)
        picture = draw_face(face, float(rng.uniform(-3, 3)), 0.3, 224, Pose())
        faces = detector.detect(picture)
        assert len(faces) == 1, number
        truth = np.array([head_box(face, Pose(), 224)])
        overlaps.append(overlap(faces.boxes[0], truth)[0])
    assert min(overlaps) > 0.5 and np.mean(overlaps) > 0.75


def test_a_wall_without_a_person_has_no_face():
    detector = OnnxDetector(DRAWN_FILE)
    for number in range(10):
        face = random_face(np.random.default_rng((98, number)))
        wall = np.asarray(draw_scene(face, 448).reduce(2))
        assert len(detector.detect(wall)) == 0, number


def test_the_onnx_file_computes_what_the_network_computes(tmp_path):
    import onnxruntime

    torch.manual_seed(3)
    network = DrawnFaceNet().eval()
    write_onnx(network, tmp_path / "net.onnx")
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, INPUT_PX, INPUT_PX))
    pixels = pixels.astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    names = [f"{kind}_{ACTIVE_STRIDE}" for kind in ("cls", "bbox")]
    score, box = session.run(names, {"input": pixels})
    with torch.no_grad():
        cells = network(torch.from_numpy(pixels))[0].flatten(1).T.numpy()
    np.testing.assert_allclose(score[0, :, 0], 1 / (1 + np.exp(-cells[:, 0])), atol=1e-5)
    np.testing.assert_allclose(box[0], cells[:, 1:], atol=1e-4)


def test_targets_decode_to_the_boxes_they_were_made_of():
    boxes = [(20.0, 30.0, 90.0, 120.0), (200.0, 100.0, 260.0, 190.0)]
    target = targets(boxes)
    rows, columns = np.nonzero(target[0])
    assert len(rows) == 2
    found = []
    for row, column in zip(rows, columns, strict=True):
        dx, dy, w, h = target[1:5, row, column]
        x, y = (column + dx) * ACTIVE_STRIDE, (row + dy) * ACTIVE_STRIDE
        width, height = np.exp(w) * ACTIVE_STRIDE, np.exp(h) * ACTIVE_STRIDE
        found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    np.testing.assert_allclose(sorted(found), boxes, atol=1e-3)


def test_the_loss_is_lowest_for_the_target_itself():
    rng = np.random.default_rng(1)
    canvas, boxes = compose(draw_tiles(rng, 6, 64), rng)
    assert canvas.shape == (INPUT_PX, INPUT_PX, 3)
    target = torch.from_numpy(targets(boxes or [(20.0, 30.0, 90.0, 120.0)]))[None]
    right = torch.cat([(target[:, :1] * 2 - 1) * 20, target[:, 1:5]], dim=1)
    assert loss_of(right, target).item() == pytest.approx(0.0, abs=1e-5)
    assert loss_of(torch.zeros_like(right), target).item() > 1
