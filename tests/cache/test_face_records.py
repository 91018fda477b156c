"""A record of faces keeps boxes and crops; every changed byte is found."""

import numpy as np
import pytest

from semanticmac.cache.face_records import (
    NO_FACE,
    FaceClip,
    FaceTrack,
    check_faces,
    pack_faces,
    read_notes,
    unpack_faces,
)
from semanticmac.cache.face_store import FaceStore, FinderInfo, face_folders
from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout

LOSSLESS = Sampling(picture="png")
BOX = (1.5, 2.0, 30.25, 40.0)


def track(motion: float, *frames: int) -> FaceTrack:
    return FaceTrack(frames, (BOX,) * len(frames), (0.9,) * len(frames), motion)


@pytest.fixture
def clip() -> FaceClip:
    crops = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    tracks = (track(2.0, 0, 1), track(0.5, 1))
    chosen = (0, 0, NO_FACE)
    return FaceClip(crops, tracks, chosen, (BOX,) * 3, "mouth motion", 1.4, ("small",))


def test_a_record_gives_the_same_faces(clip):
    read = unpack_faces(pack_faces(clip, LOSSLESS))
    np.testing.assert_array_equal(read.crops, clip.crops)
    assert (read.tracks, read.chosen, read.squares) == (clip.tracks, clip.chosen, clip.squares)
    assert (read.reason, read.duration_s, read.notes) == ("mouth motion", 1.4, ("small",))
    assert read_notes(pack_faces(clip, LOSSLESS)) == ("small",)


def test_boxes_are_read_without_the_crops(clip):
    read = unpack_faces(pack_faces(clip, LOSSLESS), with_crops=False)
    assert read.crops is None and read.tracks == clip.tracks and read.notes == ("small",)


def test_a_clip_without_a_face_is_a_record_too():
    empty = FaceClip(None, (), (), (), "no face was found", 2.0, ("no face was found",))
    read = unpack_faces(pack_faces(empty, LOSSLESS))
    assert read.crops is None and read.margin == float("inf")


def test_the_margin_compares_faces_that_are_seen_together(clip):
    assert clip.margin == 1.5
    apart = FaceClip(clip.crops, (track(2.0, 0), track(9.0, 1)), (0, 0, 0), (BOX,) * 3, "", 1.4)
    assert apart.margin == float("inf")


def test_every_changed_byte_is_found(clip):
    record = pack_faces(clip, LOSSLESS)
    for position in range(0, len(record), 7):
        damaged = bytearray(record)
        damaged[position] ^= 1
        with pytest.raises(RecordError, match="finds the faces again"):
            unpack_faces(bytes(damaged))
        with pytest.raises(RecordError, match="finds the faces again"):
            check_faces(bytes(damaged))
    check_faces(record)
    with pytest.raises(RecordError):
        unpack_faces(record[:5])


def test_a_store_keeps_faces_by_content_key(tmp_path, clip):
    layout = CacheLayout(tmp_path)
    info = FinderInfo("yunet-0123", {"detector": "yunet", "face_px": 224})
    with FaceStore(layout.faces / info.name, info) as store:
        store.put("a" * 32, pack_faces(clip, LOSSLESS))
    assert list(face_folders(layout)) == [layout.faces / "yunet-0123"]
    with FaceStore(layout.faces / "yunet-0123") as store:
        assert "a" * 32 in store and "b" * 32 not in store
        assert store.get("a" * 32).tracks == clip.tracks
        assert store.notes("a" * 32) == ("small",)
        assert store.read_fields() == info.fields
        with pytest.raises(KeyError):
            store.get("b" * 32)
    (layout.faces / "yunet-0123" / "data.mdb").unlink()
    assert list(face_folders(layout)) == []
