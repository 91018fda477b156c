"""Face streams in a whole build: boxes in the cache, the same bytes in predict, named failures."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.damage import flip
from support.program import semanticmac
from support.tiny_encoders import save_encoder
from support.two_faces import render_pairs

from semanticmac.cache.face_store import FaceStore, face_folders
from semanticmac.cache.failures import read_failures
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.opening import open_cached
from semanticmac.cache.verify import verify
from semanticmac.preprocess.build import BuildOptions, BuildReport, build
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.embed import clips_of, embed_clips
from semanticmac.preprocess.encoders.faces import FaceEncoder
from semanticmac.preprocess.encoders.requests import (
    EncoderRequest,
    finder_specs,
    open_encoders,
    requests,
    require_encoders,
    with_face_px,
)
from semanticmac.preprocess.encoders.spec import EncoderNotFound, parse_faces
from semanticmac.preprocess.faces import stored
from semanticmac.preprocess.faces.detector import DetectorError
from semanticmac.preprocess.faces.finder import COARSE_NOTE, DRAWN_FILE, NO_FACE_NOTE

SPEC = "faces:drawn:imagebind-tiny"
STREAM = "faces-imagebind-tiny"


def cache(
    root: Path, layout: CacheLayout, *vision: str, audio: tuple[str, ...] = (), repair: bool = False
) -> BuildReport:
    encoders = open_encoders(requests(None, vision, audio), "cpu", notice=lambda _: None)
    corpus = read_corpus("folder", root)
    options = BuildOptions(root, workers=1, repair=repair)
    return build(corpus, layout, encoders, options, lambda *_: None)


def face_folder(layout: CacheLayout) -> Path:
    [folder] = face_folders(layout)
    return folder


def face_records(folder: Path) -> dict[str, bytes]:
    with FaceStore(folder) as store:
        keys = list(store.keys())
        return {key: store.record(key) for key in keys}


def damage(layout: CacheLayout) -> list[str]:
    return verify(layout, Manifest.read(layout.manifest("folder")), lambda *_: None)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, film) -> Path:
    """Four clips of two people, and a test image without a face."""
    root = tmp_path_factory.mktemp("pairs")
    render_pairs(root, 4, seed=2)
    film(root / "image.mp4", 1.5)
    with (root / "clips.csv").open("a") as table:
        table.write("image,image.mp4,,0.5,train\n")
    return root


@pytest.fixture(scope="module")
def layout(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> CacheLayout:
    layout = CacheLayout(tmp_path_factory.mktemp("faces") / "cache")
    cache(corpus, layout, SPEC, "imagebind-tiny", audio=("imagebind-tiny",))
    return layout


def test_the_stream_has_the_rows_of_the_frames_and_other_numbers(layout):
    faces, frames = (open_cached(layout, "folder", name) for name in (STREAM, "imagebind-tiny"))
    for row in faces.manifest.rows[:4]:
        crop, whole = faces.reader.get(row.key).vision, frames.reader.get(row.key).vision
        assert crop.shape == whole.shape
        assert not np.array_equal(crop, whole)


def test_a_clip_without_a_face_lacks_vision_and_is_named(layout):
    opened = open_cached(layout, "folder", STREAM)
    assert opened.reader.get(opened.manifest.rows[4].key).vision is None
    reasons = {item.clip_id: item.reason for item in read_failures(layout.failures("folder"))}
    assert reasons == {"image": NO_FACE_NOTE}


def test_boxes_of_every_face_are_in_the_cache(layout):
    [folder] = face_folders(layout)
    with FaceStore(folder) as store:
        rows = Manifest.read(layout.manifest("folder")).rows
        for row in rows[:4]:
            faces = store.get(row.key)
            assert len(faces.tracks) == 2 and len(faces.chosen) == row.frames
            assert faces.reason == "mouth motion with the voice, 6 frames per s"
        assert store.read_fields()["face_px"] == 224


def test_a_damaged_face_record_is_named_and_it_alone_is_found_again(layout, corpus, tmp_path):
    copy = CacheLayout(Path(shutil.copytree(layout.root, tmp_path / "cache")))
    assert damage(copy) == []
    folder = face_folder(copy)
    first = Manifest.read(copy.manifest("folder")).rows[0]
    records = face_records(folder)
    # The last byte of the record belongs to a crop.
    flip(folder / "data.mdb", (folder / "data.mdb").read_bytes().find(records[first.key][-64:]))
    [sentence] = damage(copy)
    assert sentence.startswith(f"{first.clip_id}: the record of its faces is damaged")

    # Another stream is cached: the record is removed and the report names the finder.
    other = Path(shutil.copytree(copy.root, tmp_path / "other"))
    report = cache(corpus, CacheLayout(other), "imagebind-tiny", repair=True)
    assert report.incomplete == (
        f"faces/{folder.name} lost 1 clips with damaged records: run `cache --repair` with its "
        "--vision to find them again",
    )
    report = cache(corpus, copy, SPEC, audio=("imagebind-tiny",), repair=True)
    assert (report.encoded, report.incomplete) == (0, ())
    assert damage(copy) == []
    assert face_records(folder) == records


def test_a_face_store_that_lmdb_cannot_read_is_named_and_found_again(layout, corpus, tmp_path):
    copy = CacheLayout(Path(shutil.copytree(layout.root, tmp_path / "cache")))
    folder = face_folder(copy)
    with (folder / "data.mdb").open("r+b") as file:
        file.truncate(20_000)
    [sentence] = damage(copy)
    assert sentence.startswith(f"LMDB cannot read {folder / 'data.mdb'} (")
    cache(corpus, copy, SPEC, audio=("imagebind-tiny",), repair=True)
    assert damage(copy) == []
    assert face_records(folder).keys() == face_records(face_folder(layout)).keys()


def test_a_second_encoder_reads_the_crops_without_a_search(layout, corpus, tmp_path, monkeypatch):
    copy = CacheLayout(Path(shutil.copytree(layout.root, tmp_path / "cache")))
    searched = []
    monkeypatch.setattr(stored, "find_all", lambda *parts: searched.append(parts))
    save_encoder("clip", tmp_path / "clip-tiny")
    cache(corpus, copy, f"faces:drawn:clip:{tmp_path / 'clip-tiny'}")
    assert searched == []
    opened = open_cached(copy, "folder", "faces-clip-tiny+imagebind-tiny")
    assert opened.reader.get(opened.manifest.rows[0].key).vision is not None


def test_predict_makes_the_bytes_of_the_cache(layout, corpus):
    encoders = open_encoders(
        requests(None, (SPEC,), ("imagebind-tiny",)), "cpu", notice=lambda _: None
    )
    opened = open_cached(layout, "folder", STREAM)
    videos = [corpus / "pair_000.mp4", corpus / "image.mp4"]
    first, image = embed_clips(clips_of(videos, ""), encoders, Sampling(), 1)
    cached = opened.reader.get(opened.manifest.rows[0].key)
    np.testing.assert_array_equal(first.embeddings.vision, cached.vision)
    assert image.embeddings.vision is None and NO_FACE_NOTE in image.remarks


def test_deleted_videos_leave_the_stored_frames_and_a_remark(corpus, tmp_path):
    root = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    layout = CacheLayout(tmp_path / "cache")
    cache(root, layout, "imagebind-tiny")
    for video in root.glob("*.mp4"):
        video.unlink()
    cache(root, layout, SPEC)
    opened = open_cached(layout, "folder", STREAM)
    assert opened.reader.get(opened.manifest.rows[0].key).vision is not None
    reasons = [item.reason for item in read_failures(layout.failures("folder"))]
    assert sum(COARSE_NOTE in reason for reason in reasons) == 4


def test_detector_and_size_are_in_the_fingerprint(tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(DRAWN_FILE.read_bytes())
    specs = [SPEC, "faces:drawn@448:imagebind-tiny", f"faces:{other}:imagebind-tiny"]
    asked = requests(None, specs)
    first, large, same = (
        encoder.fingerprint(Sampling())
        for encoder in open_encoders(asked, "cpu", notice=lambda _: None)
    )
    assert first != large
    assert first == same  # the same bytes under another path
    assert first.demo_only and first.encoder == STREAM and first.spec == SPEC


def test_both_streams_of_a_network_share_it():
    asked = requests(None, (SPEC, "imagebind-tiny"))
    faces, frames = open_encoders(asked, "cpu", notice=lambda _: None)
    assert isinstance(faces, FaceEncoder) and faces.inner is frames


def test_the_kind_of_detector_is_said():
    said: list[str] = []
    open_encoders(requests(None, (SPEC,)), "cpu", notice=said.append)
    assert any("drawn is a detector of the kind yunet" in line for line in said)


def test_the_size_of_the_command_line_enters_the_name():
    asked = with_face_px(requests(None, (SPEC, "imagebind-tiny")), 448)
    assert asked[0].spec == "faces:drawn@448:imagebind-tiny"
    small, whole = finder_specs(asked)
    assert small.face_px == 448 and whole is None
    kept = with_face_px(requests(None, ("faces:drawn@300:imagebind-tiny",)), 448)
    assert finder_specs(kept)[0].face_px == 300


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("faces:missing.onnx:imagebind-tiny", DetectorError, "there is no such file"),
        ("faces:drawn", EncoderNotFound, "expected faces:DETECTOR.onnx:ENCODER"),
        ("faces:yunet.pt:imagebind-tiny", EncoderNotFound, "expected faces:DETECTOR.onnx:ENCODER"),
        ("faces:drawn:faces:drawn:imagebind-tiny", EncoderNotFound, "is another faces:"),
        ("faces:drawn:no-such", EncoderNotFound, "no encoder 'no-such'"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_read(spec, error, message):
    with pytest.raises(error, match=message):
        require_encoders(requests(None, (spec,)))


def test_faces_of_audio_are_refused():
    with pytest.raises(EncoderNotFound, match="give it as --vision"):
        require_encoders([EncoderRequest("audio", SPEC)])


def test_a_spec_has_its_parts():
    spec = parse_faces("faces:models/yunet.onnx@448:clip:models/clip-large@layer3")
    assert (spec.detector, spec.face_px, spec.encoder) == (
        "models/yunet.onnx",
        448,
        "clip:models/clip-large@layer3",
    )
    assert parse_faces("clip:models/clip-large") is None


def test_inspect_writes_a_contact_sheet(layout, tmp_path):
    sheet = tmp_path / "sheet.png"
    answer = semanticmac(tmp_path, "inspect", "folder", "--cache", layout.root, "--faces", sheet)
    text = answer.stdout.replace("\n", " ")
    assert "5 clips, 1 without a face" in text and "5 of 5 clips" in text
    assert Image.open(sheet).size[1] > 5 * 112
    wrong = semanticmac(
        tmp_path, "inspect", "folder", "--cache", layout.root, "--faces", "sheet.txt", expect=2
    )
    assert "ends in .jpg or .png" in wrong.stderr.replace("\n", " ")
    empty = tmp_path / "empty"
    shutil.copytree(layout.root, empty)
    shutil.rmtree(empty / "faces")
    answer = semanticmac(
        tmp_path, "inspect", "folder", "--cache", empty, "--faces", sheet, expect=2
    )
    assert "holds no faces of folder" in answer.stderr.replace("\n", " ")
