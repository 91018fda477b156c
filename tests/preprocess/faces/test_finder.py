"""Crops of the speaker's face: one for each row, from the chosen track, with remarks."""

import numpy as np
import pytest
from PIL import Image

from semanticmac.cache.face_records import NO_FACE, NO_FACE_NOTE
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.spec import parse_faces
from semanticmac.preprocess.faces.detector import DetectorError, Faces
from semanticmac.preprocess.faces.finder import (
    COARSE_NOTE,
    CROP_MARGIN,
    CROP_PX,
    FaceFinder,
    finder_spec,
    square_around,
)

HEIGHT, WIDTH = 60, 120
GREY = np.uint8(40)


class Bright:
    """Finds the bright rectangles in the left and the right half of a frame."""

    kind, digest = "bright", "0" * 64

    def detect(self, frame: np.ndarray) -> Faces:
        boxes = []
        half = frame.shape[1] // 2
        for first in (0, half):
            rows, columns = np.nonzero(frame[:, first : first + half, 1] > 100)
            if len(rows):
                left, right = first + columns.min(), first + columns.max() + 1
                boxes.append((left, rows.min(), right, rows.max() + 1))
        return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))


def frame(*boxes: tuple[int, int, int, int], scale: int = 1) -> np.ndarray:
    picture = np.full((HEIGHT * scale, WIDTH * scale, 3), GREY)
    for left, top, right, bottom in boxes:
        picture[top * scale : bottom * scale, left * scale : right * scale] = 200
    return picture


LEFT, RIGHT = (10, 10, 40, 40), (80, 20, 100, 40)


def clip(*frames: np.ndarray, waveform: np.ndarray | None = None) -> RawClip:
    return RawClip(np.stack(frames), waveform, len(frames) / 2)


def test_a_clip_without_a_face_has_no_crops_and_says_so():
    faces = FaceFinder(Bright()).find(clip(frame(), frame()))
    assert faces.crops is None and faces.tracks == ()
    assert faces.notes == (NO_FACE_NOTE,)


def test_a_clip_without_video_has_no_remark():
    faces = FaceFinder(Bright()).find(RawClip(None, np.zeros(16_000, np.int16), 1.0))
    assert faces.crops is None and faces.notes == ()


def test_the_only_face_is_taken_and_its_crop_is_the_square_around_it():
    faces = FaceFinder(Bright()).find(clip(frame(LEFT), frame(LEFT)))
    assert faces.reason == "only face" and faces.chosen == (0, 0)
    side = 30 * CROP_MARGIN
    np.testing.assert_allclose(
        faces.squares[0], (25 - side / 2, 25 - side / 2, 25 + side / 2, 25 + side / 2)
    )
    box = [round(edge) for edge in faces.squares[0]]
    padded = np.pad(frame(LEFT), ((40, 40), (40, 40), (0, 0)))
    part = padded[box[1] + 40 : box[3] + 40, box[0] + 40 : box[2] + 40]
    picture = Image.fromarray(part).resize((CROP_PX, CROP_PX), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(faces.crops[0], np.asarray(picture))


def test_a_row_without_a_face_has_the_crop_of_the_nearest_one():
    empty = frame()
    faces = FaceFinder(Bright()).find(clip(frame(LEFT), empty, empty, empty, frame(RIGHT)))
    assert faces.chosen == (0, NO_FACE, NO_FACE, NO_FACE, 1)
    np.testing.assert_array_equal(faces.crops[1], faces.crops[0])
    np.testing.assert_array_equal(faces.crops[3], faces.crops[4])
    assert faces.margin == float("inf")


def test_of_two_still_faces_the_larger_one_is_taken_with_a_remark():
    faces = FaceFinder(Bright()).find(clip(frame(LEFT, RIGHT), frame(LEFT, RIGHT)))
    assert faces.chosen == (0, 0)
    assert COARSE_NOTE in faces.notes
    assert faces.reason == "mouth motion at 2 frames per s, no audio"
    one = FaceFinder(Bright()).find(clip(frame(LEFT, RIGHT)))
    assert one.reason == "largest face, one frame"


def test_larger_frames_give_sharper_crops_of_the_same_square():
    raw = clip(frame(LEFT), frame(LEFT))
    dense = np.stack([frame(LEFT, scale=4)] * 6)
    stored = FaceFinder(Bright()).find(raw)
    large = FaceFinder(Bright(), 240).find(raw, dense)
    np.testing.assert_allclose(large.squares, stored.squares)
    assert any("under 64 px wide in frames of 224 px" in note for note in stored.notes)
    assert large.notes == ()


def test_frames_that_do_not_fit_the_rows_are_not_used():
    raw = clip(frame(LEFT), frame(LEFT))
    faces = FaceFinder(Bright()).find(raw, np.stack([frame(LEFT)] * 12))
    assert len(faces.crops) == 2


def test_detector_and_size_change_the_digest():
    class Other(Bright):
        digest = "1" * 64

    names = {FaceFinder(Bright()).info.name, FaceFinder(Other()).info.name}
    names.add(FaceFinder(Bright(), 448).info.name)
    assert len(names) == 3


def test_the_square_is_centred_on_the_box():
    left, top, right, bottom = square_around(np.array([0.0, 0.0, 10.0, 20.0]))
    assert (left + right, top + bottom) == (10.0, 20.0)
    assert right - left == bottom - top == pytest.approx(26.0)


def test_sizes_beyond_reason_are_refused():
    for pixels in (100, 9000):
        spec = parse_faces(f"faces:d.onnx@{pixels}:imagebind-tiny")
        with pytest.raises(DetectorError, match="expected a short side of 224 to 2160 px"):
            finder_spec(spec)
