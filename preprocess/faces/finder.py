"""FaceFinder: one decoded clip → the crops of the speaker's face.

Rule: the detector reads the frame of every row (k/2 s). Boxes are linked to tracks by overlap. In
every row the face with the most mouth motion (speaker.py) is chosen among those in the picture. Its
crop is a square around the box, CROP_MARGIN times as long as the longer side; what lies outside the
frame is black. A row without a face has the crop of the nearest row that has one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from semanticmac.cache.face_records import (
    NO_FACE,
    NO_FACE_NOTE,
    Box,
    FaceClip,
    FaceTrack,
    FinderInfo,
)
from semanticmac.cache.keys import json_digest
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.spec import FacesSpec
from semanticmac.preprocess.faces.detector import DetectorError, FaceDetector, Faces
from semanticmac.preprocess.faces.onnx_detector import OnnxDetector
from semanticmac.preprocess.faces.speaker import Dense, score_tracks
from semanticmac.preprocess.faces.tracks import Track, link

# Raise it when a change here, in tracks.py, speaker.py or onnx_detector.py gives other crops.
RULE_VERSION = 1
# Frames for each row in which mouth motion is measured: 6 a second. benchmarks/faces.py compares.
DENSE_PER_ROW = 3
CROP_MARGIN = 1.3
CROP_PX = 224
SMALL_PX = 64
# Short side of the frames in which faces are searched, in pixels.
USUAL_PX, MOST_PX = 224, 2160

DRAWN = "drawn"  # the detector of the demo's drawn faces
DRAWN_FILE = Path(__file__).parents[1] / "demo" / "weights" / "drawn-faces.onnx"

SMALL_NOTE = (
    "the speaker's face is under {} px wide in frames of {} px: --face-px reads larger ones, if "
    "the video is larger"
)
COARSE_NOTE = "the speaker was chosen among several faces by 2 frames per s"


@dataclass(frozen=True)
class FinderSpec:
    """How to open a finder."""

    detector: str  # the path of an ONNX file, or "drawn"
    face_px: int = USUAL_PX  # short side of the frames from which faces are cut

    @property
    def path(self) -> Path:
        return DRAWN_FILE if self.detector == DRAWN else Path(self.detector).expanduser()


class FaceFinder:
    """Finds the speaker's face in clips."""

    def __init__(self, detector: FaceDetector, face_px: int = USUAL_PX) -> None:
        self.detector = detector
        self.face_px = face_px
        fields = {
            "detector": detector.kind,
            "sha256": detector.digest,
            "face_px": face_px,
            "rule": RULE_VERSION,
            "crop_margin": CROP_MARGIN,
            "crop_px": CROP_PX,
            "frames_per_s": 2 * DENSE_PER_ROW,
        }
        self.digest = json_digest(fields)
        self.info = FinderInfo(f"{detector.kind}-{self.digest[:12]}", fields)

    def find(self, raw: RawClip, dense: np.ndarray | None = None) -> FaceClip:
        """The faces of a clip.

        dense: DENSE_PER_ROW frames for each row, with a short side of face_px; without them the
        stored frames serve for everything.
        """
        if raw.frames is None:
            return FaceClip(None, (), (), (), "no video", raw.duration_s)
        rows, per_row = raw.frames, 1
        if dense is not None and len(dense[::DENSE_PER_ROW]) == len(raw.frames):
            rows, per_row = dense[::DENSE_PER_ROW], DENSE_PER_ROW
        else:
            dense = raw.frames
        scale = rows.shape[1] / raw.frames.shape[1]
        tracks = link([_in_stored_pixels(self.detector.detect(row), scale) for row in rows])
        if not tracks:
            return FaceClip(None, (), (), (), NO_FACE_NOTE, raw.duration_s, (NO_FACE_NOTE,))

        measured = Dense(dense, per_row, scale)
        scores = score_tracks(tracks, measured, raw.waveform, raw.duration_s)
        chosen = choose(tracks, scores, len(rows))
        crops, squares = cut_crops(rows, tracks, chosen, scale)
        notes = self._notes(tracks, squares, scale, per_row)
        records = [_record(track, score) for track, score in zip(tracks, scores, strict=True)]
        reason = _reason(tracks, raw, per_row)
        return FaceClip(
            crops, tuple(records), tuple(chosen), squares, reason, raw.duration_s, notes
        )

    def _notes(
        self, tracks: Sequence[Track], squares: Sequence[Box], scale: float, per_row: int
    ) -> tuple[str, ...]:
        notes = []
        sides = [(right - left) * scale / CROP_MARGIN for left, _, right, _ in squares]
        if np.median(sides) < SMALL_PX:
            notes.append(SMALL_NOTE.format(SMALL_PX, self.face_px))
        if per_row == 1 and _compete(tracks):
            notes.append(COARSE_NOTE)
        return tuple(notes)


def finder_spec(faces: FacesSpec) -> FinderSpec:
    """Raises DetectorError for frames smaller than the usual ones or beyond all reason."""
    face_px = USUAL_PX if faces.face_px is None else faces.face_px
    if not USUAL_PX <= face_px <= MOST_PX:
        raise DetectorError(
            f"faces are cut from frames of {face_px} px: expected a short side of {USUAL_PX} to "
            f"{MOST_PX} px"
        )
    return FinderSpec(faces.detector, face_px)


@lru_cache(maxsize=4)
def open_finder(spec: FinderSpec) -> FaceFinder:
    """Raises DetectorError for a file that is no detector."""
    return FaceFinder(OnnxDetector(spec.path), spec.face_px)


def choose(tracks: Sequence[Track], scores: Sequence[float], rows: int) -> list[int]:
    """For each row the track with the highest score among those in the picture, else NO_FACE.

    Among equal scores, as in a clip of one frame, the larger face.
    """
    chosen = []
    for row in range(rows):
        best, best_rank = NO_FACE, (-math.inf, -math.inf)
        for index, track in enumerate(tracks):
            rank = (scores[index], track.area())
            if track.lasts_at(row) and rank > best_rank:
                best, best_rank = index, rank
        chosen.append(best)
    return chosen


def cut_crops(
    rows: np.ndarray, tracks: Sequence[Track], chosen: Sequence[int], scale: float
) -> tuple[np.ndarray, tuple[Box, ...]]:
    """The crop of every row (F, CROP_PX, CROP_PX, 3), and its square in stored pixels.

    chosen names a track in one row at least.
    """
    with_face = np.flatnonzero(np.array(chosen) != NO_FACE)
    crops, squares = [], []
    for row in range(len(chosen)):
        source = int(with_face[np.abs(with_face - row).argmin()])
        square = square_around(tracks[chosen[source]].box_at(source))
        crops.append(_cut(rows[source], [edge * scale for edge in square]))
        squares.append(square)
    return np.stack(crops), tuple(squares)


def square_around(box: np.ndarray) -> Box:
    """The square around a box, CROP_MARGIN times as long as its longer side."""
    left, top, right, bottom = (float(edge) for edge in box)
    half = CROP_MARGIN * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half, y - half, x + half, y + half


def _cut(frame: np.ndarray, square: Sequence[float]) -> np.ndarray:
    """The part of a frame in whole pixels, black outside of it, resized to the size of a crop."""
    left, top, right, bottom = (round(edge) for edge in square)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    picture = Image.fromarray(frame).crop((left, top, right, bottom))
    return np.asarray(picture.resize((CROP_PX, CROP_PX), Image.Resampling.BICUBIC))


def _in_stored_pixels(faces: Faces, scale: float) -> Faces:
    return Faces(faces.boxes / scale, faces.scores)


def _compete(tracks: Sequence[Track]) -> bool:
    """Whether two faces are in the picture at the same time."""
    for index, track in enumerate(tracks):
        for other in tracks[index + 1 :]:
            if track.first <= other.last and other.first <= track.last:
                return True
    return False


def _reason(tracks: Sequence[Track], raw: RawClip, per_row: int) -> str:
    """How the speaker was chosen, for the contact sheet."""
    if not _compete(tracks):
        return "only face"
    assert raw.frames is not None
    if len(raw.frames) * per_row < 2:
        return "largest face, one frame"
    rate = f"{2 * per_row} frames per s"
    if raw.waveform is None:
        return f"mouth motion at {rate}, no audio"
    return f"mouth motion with the voice, {rate}"


def _record(track: Track, score: float) -> FaceTrack:
    boxes: list[Box] = []
    for box in track.boxes:
        left, top, right, bottom = (round(float(edge), 2) for edge in box)
        boxes.append((left, top, right, bottom))
    scores = tuple(round(certainty, 4) for certainty in track.scores)
    return FaceTrack(tuple(track.frames), tuple(boxes), scores, round(score, 4))
