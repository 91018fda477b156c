"""Faces of single frames are linked to tracks by their overlap."""

import numpy as np

from semanticmac.preprocess.faces.detector import Faces, overlap
from semanticmac.preprocess.faces.tracks import link


def faces(*boxes: tuple[float, float, float, float]) -> Faces:
    return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


def moved(x: float) -> tuple[float, float, float, float]:
    return (x, 0.0, x + 10.0, 10.0)


def test_overlap_equals_the_loop_over_pixels():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 12, (20, 4))
    boxes = np.stack([
        np.minimum(corners[:, 0], corners[:, 2]), np.minimum(corners[:, 1], corners[:, 3]),
        np.maximum(corners[:, 0], corners[:, 2]) + 1, np.maximum(corners[:, 1], corners[:, 3]) + 1,
    ], axis=1).astype(float)  # fmt: skip
    masks = []
    for left, top, right, bottom in boxes.astype(int):
        mask = np.zeros((14, 14), bool)
        mask[top:bottom, left:right] = True
        masks.append(mask)
    expected = [(masks[0] & mask).sum() / (masks[0] | mask).sum() for mask in masks]
    np.testing.assert_allclose(overlap(boxes[0], boxes), expected)


def test_two_faces_stay_two_tracks_whatever_their_order():
    tracks = link([faces(moved(0), moved(50)), faces(moved(51), moved(2)), faces(moved(4))])
    assert [track.frames for track in tracks] == [[0, 1, 2], [0, 1]]
    assert [float(box[0]) for box in tracks[0].boxes] == [0.0, 2.0, 4.0]


def test_a_face_that_is_missed_for_a_second_keeps_its_track():
    seen, missed = faces(moved(0)), faces()
    [track] = link([seen, missed, missed, seen])
    assert track.frames == [0, 3] and track.lasts_at(1.5)
    assert len(link([seen, missed, missed, missed, seen])) == 2


def test_a_cut_ends_a_track():
    first, second = link([faces(moved(0)), faces(moved(100))])
    assert not first.lasts_at(1) and second.first == 1


def test_boxes_between_detections_are_interpolated():
    [track] = link([faces(moved(0)), faces(), faces((4.0, 0.0, 18.0, 10.0))])
    np.testing.assert_allclose(track.box_at(1), (2, 0, 14, 10))
    np.testing.assert_allclose(track.box_at(9), (4, 0, 18, 10))
    np.testing.assert_allclose(track.steady_box_at(2), (5, 0, 17, 10))  # median width 12


def test_a_clip_without_faces_has_no_track():
    assert link([faces(), faces()]) == []
