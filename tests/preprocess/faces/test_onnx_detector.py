"""ONNX files of each family find planted faces in frames; other files are refused in words."""

import numpy as np
import pytest
from support.planted_detectors import (
    retina_outputs,
    save_blue_detector,
    save_constant,
    scrfd_outputs,
    yunet_outputs,
)

from semanticmac.cache.keys import file_digest
from semanticmac.preprocess.faces.detector import DetectorError, Faces, suppress
from semanticmac.preprocess.faces.onnx_detector import LONG_SIDE_PX, OnnxDetector, fit

SIDE = 320
BOX = (40.0, 60.0, 120.0, 160.0)
FRAME = np.zeros((100, 200, 3), np.uint8)  # enters the network 160 px high and 320 px wide
IN_FRAME = np.array(BOX) / (SIDE / 200)

OUTPUTS = {
    "yunet": yunet_outputs({16: [BOX]}, SIDE),
    "scrfd": scrfd_outputs({16: [BOX]}, SIDE),
    "retinaface": retina_outputs([(16, 64, BOX)], SIDE),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_kind_is_found_and_boxes_are_in_pixels_of_the_frame(kind, tmp_path):
    path = save_constant(tmp_path / "detector.onnx", OUTPUTS[kind], [1, 3, SIDE, SIDE])
    detector = OnnxDetector(path)
    assert detector.kind == kind
    assert detector.digest == file_digest(path)
    faces = detector.detect(FRAME)
    np.testing.assert_allclose(faces.boxes, [IN_FRAME], atol=1e-3)


def test_a_network_of_any_size_gets_the_long_side(tmp_path):
    side = LONG_SIDE_PX
    outputs = yunet_outputs({16: [BOX]}, side)
    detector = OnnxDetector(save_constant(tmp_path / "d.onnx", outputs, [1, 3, "h", "w"]))
    square = np.zeros((100, 100, 3), np.uint8)
    np.testing.assert_allclose(detector.detect(square).boxes, [np.array(BOX) / 6.4], atol=1e-3)


def test_yunet_reads_blue_first(tmp_path):
    detector = OnnxDetector(save_blue_detector(tmp_path / "blue.onnx", SIDE, BOX))
    red, blue = FRAME.copy(), FRAME.copy()
    red[..., 0], blue[..., 2] = 255, 255
    assert len(detector.detect(red)) == 0
    assert len(detector.detect(blue)) == 1


def test_a_frame_keeps_its_proportions_and_is_padded_on_the_right_and_below():
    canvas, scale = fit(np.full((50, 100, 3), 7, np.uint8), 64, 64)
    assert scale == 0.64 and canvas.shape == (64, 64, 3)
    assert (canvas[:32] == 7).all() and not canvas[32:].any()


def test_of_boxes_that_overlap_the_most_certain_is_kept():
    boxes = np.array([(0, 0, 10, 10), (1, 0, 11, 10), (20, 20, 30, 30)], np.float32)
    kept = suppress(Faces(boxes, np.array([0.7, 0.9, 0.8], np.float32)), 0.4)
    np.testing.assert_array_equal(kept.boxes, boxes[[1, 2]])


def test_a_missing_file_a_pointer_and_a_text_are_refused(tmp_path):
    with pytest.raises(DetectorError, match="there is no such file; expected a face detector"):
        OnnxDetector(tmp_path / "missing.onnx")
    pointer = tmp_path / "pointer.onnx"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 232589\n")
    with pytest.raises(DetectorError, match="a pointer of Git LFS"):
        OnnxDetector(pointer)
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(DetectorError, match="no ONNX file that onnxruntime reads"):
        OnnxDetector(text)


def test_a_network_for_something_else_is_refused_with_its_name(tmp_path):
    path = save_constant(
        tmp_path / "resnet.onnx", {"logits": np.zeros((1, 1000), np.float32)}, [1, 3, 224, 224]
    )
    with pytest.raises(DetectorError, match=r"resnet.onnx: its outputs are logits \(1, 1000\)"):
        OnnxDetector(path)
    path = save_constant(tmp_path / "sound.onnx", OUTPUTS["yunet"], [1, 16000])
    with pytest.raises(DetectorError, match="expected one picture"):
        OnnxDetector(path)
