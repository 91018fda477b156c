"""A face detector in an ONNX file, run by onnxruntime on the CPU.

A frame is resized to fit the network's input, keeping its proportions, and padded with black on the
right and below. Small frames are enlarged: detectors are trained on larger pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from semanticmac.cache.keys import file_digest
from semanticmac.preprocess.faces.detector import DetectorError, Faces, suppress
from semanticmac.preprocess.faces.onnx_outputs import PREPARATIONS, decode, kind_of

LONG_SIDE_PX = 640  # of the input, where the network takes any size
MULTIPLE_PX = 32  # of both sides: the largest stride that all three families have
MOST_OVERLAP = 0.4  # of two faces
LFS_POINTER = b"version https://git-lfs"


class OnnxDetector:
    """YuNet, SCRFD or RetinaFace; which of them follows from the outputs."""

    def __init__(self, path: Path) -> None:
        """Raises DetectorError for what is no such network."""
        self.path = path
        self._session = _open_session(path)
        self.digest = file_digest(path)
        [entry, *others] = self._session.get_inputs()
        if others or len(entry.shape) != 4 or entry.shape[1] not in (3, "3"):
            shapes = [f"{item.name} {item.shape}" for item in self._session.get_inputs()]
            raise DetectorError(
                f"{path}: its inputs are {', '.join(shapes)}; expected one picture (1, 3, H, W)"
            )
        self._input = entry.name
        self._fixed = _fixed_size(entry.shape)
        height, width = self._fixed or (LONG_SIDE_PX, LONG_SIDE_PX)
        outputs = self._run(np.zeros((1, 3, height, width), np.float32))
        try:
            self._kind = kind_of(outputs)
            decode(self._kind, outputs, height, width)
        except DetectorError as error:
            raise DetectorError(f"{path}: {error}") from None
        self.kind: str = self._kind

    def detect(self, frame: np.ndarray) -> Faces:
        """The faces of a frame (H, W, 3) uint8 RGB, in its own pixels."""
        height, width = self._fixed or _input_size(*frame.shape[:2])
        pixels, scale = fit(frame, height, width)
        outputs = self._run(self._prepared(pixels))
        faces = suppress(decode(self._kind, outputs, height, width), MOST_OVERLAP)
        return Faces(faces.boxes / scale, faces.scores)

    def _prepared(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB → (1, 3, H, W) float32 as the family reads it."""
        preparation = PREPARATIONS[self._kind]
        if preparation.blue_first:
            pixels = pixels[:, :, ::-1]
        scaled = (pixels - np.array(preparation.mean, np.float32)) / preparation.scale
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)

    def _run(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        names = [output.name for output in self._session.get_outputs()]
        try:
            arrays = self._session.run(names, {self._input: picture})
        except Exception as error:  # onnxruntime raises classes of its own without a common base.
            raise DetectorError(f"{self.path}: the network does not run: {error}") from None
        return dict(zip(names, arrays, strict=True))


def fit(frame: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float]:
    """The frame (H, W, 3) in a black canvas (height, width, 3), at its top left, and its scale."""
    scale = min(height / frame.shape[0], width / frame.shape[1])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    resized = Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR)
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: size[1], : size[0]] = np.asarray(resized)
    return canvas, scale


def _input_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the input for a frame, where the network takes any size."""
    scale = LONG_SIDE_PX / max(height, width)
    return _round_up(height * scale), _round_up(width * scale)


def _round_up(length: float) -> int:
    return max(1, -(-round(length) // MULTIPLE_PX)) * MULTIPLE_PX


def _fixed_size(shape: list[Any]) -> tuple[int, int] | None:
    height, width = shape[2:]
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None


def _open_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise DetectorError(
            "a face detector needs onnxruntime: pip install 'semanticmac[faces]'"
        ) from None
    if not path.is_file():
        raise DetectorError(f"{path}: there is no such file; expected a face detector (.onnx)")
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise DetectorError(
                f"{path} is a pointer of Git LFS and not the network: download the file itself"
            )
    options = onnxruntime.SessionOptions()
    # One thread, so that the boxes do not depend on the machine; clips are searched in parallel.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own without a common base.
        raise DetectorError(f"{path} is no ONNX file that onnxruntime reads: {error}") from None
