"""The sheet shows each clip's frames with the boxes, the least clear choices first."""

import numpy as np

from semanticmac.cache.face_records import NO_FACE, FaceClip, FaceTrack
from semanticmac.preprocess.faces.contact_sheet import (
    CAPTION_PX,
    CHOSEN,
    GAP_PX,
    OTHER,
    SheetClip,
    caption,
    draw_sheet,
    least_clear,
)

LEFT, RIGHT = (10.0, 30.0, 50.0, 80.0), (130.0, 30.0, 170.0, 80.0)


def clip(name: str, left: float, right: float) -> SheetClip:
    tracks = (
        FaceTrack((0, 1), (LEFT, LEFT), (0.9, 0.9), left),
        FaceTrack((0, 1), (RIGHT, RIGHT), (0.9, 0.9), right),
    )
    chosen = 0 if left > right else 1
    crops = np.zeros((2, 8, 8, 3), np.uint8)
    faces = FaceClip(crops, tracks, (chosen, NO_FACE), (LEFT, LEFT), "mouth motion", 1.0)
    return SheetClip(name, np.zeros((2, 112, 224, 3), np.uint8), faces)


def test_close_choices_and_clips_without_a_face_come_first():
    empty = SheetClip("empty", None, FaceClip(None, (), (), (), "no face was found", 1.0))
    clips = [clip("clear", 5.0, 1.0), clip("close", 1.0, 1.1), empty]
    assert [item.clip_id for item in least_clear(clips)] == ["empty", "close", "clear"]
    assert caption(empty) == "empty: no face was found"
    assert caption(clips[1]).endswith("motion of the faces 1.00, 1.10*")


def test_the_chosen_box_is_green_and_the_other_orange():
    sheet = np.asarray(draw_sheet([clip("a", 3.0, 1.0)]))
    top = GAP_PX + CAPTION_PX
    assert tuple(sheet[top + 55, GAP_PX + 10]) == CHOSEN
    assert tuple(sheet[top + 55, GAP_PX + 130]) == OTHER


def test_without_frames_the_crops_are_shown():
    shown = clip("a", 3.0, 1.0)
    sheet = draw_sheet([SheetClip("a", None, shown.faces)])
    assert np.asarray(sheet)[GAP_PX + CAPTION_PX + 50, GAP_PX + 50].sum() == 0


def test_an_empty_sheet_is_a_picture():
    assert draw_sheet([]).size[0] > 0
