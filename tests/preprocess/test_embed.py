"""Which clips are predicted: a file alone is the clip that it is in its folder."""

import shutil
from dataclasses import replace

import pytest

from semanticmac.cache.keys import Sampling
from semanticmac.cache.streams import Streams
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.embed import (
    EncoderMismatch,
    clips_of,
    embed_clips,
    read_clips,
    require_same,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("ok clip.mpg", "b.wav", "silent.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "ok clip.txt").write_text("  what\nis said ")
    (tmp_path / "b.txt").write_text("b")
    return tmp_path


def test_a_file_is_the_clip_that_it_is_in_its_folder(folder):
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".txt"]
    assert clips_of(files, None) == clips_of([folder], None)
    assert [(clip.clip_id, clip.text) for clip in clips_of(files, None)] == [
        ("b", "b"),
        ("ok clip", "what is said"),
        ("silent", ""),
    ]


def test_files_of_a_folder_that_are_passed_over_are_named(folder):
    (folder / "notes.doc").touch()
    clips, notes = read_clips([folder], None)
    assert clips == clips_of([folder], None)
    assert notes == [f"{folder}: 1 file is passed over (.doc 1): notes.doc"]


def test_a_text_is_of_files_and_stands_above_what_lies_beside_them(folder):
    assert [clip.text for clip in clips_of([folder / "b.wav", folder / "silent.mp4"], "own")] == [
        "own",
        "own",
    ]
    assert clips_of([folder / "b.wav"], "")[0].text == ""
    with pytest.raises(CorpusError, match=r"a text belongs to one file, but .* is a folder"):
        clips_of([folder / "b.wav", folder], "own")


def test_files_of_one_name_keep_their_folder_and_a_text_file_is_no_transcript_of_itself(folder):
    shutil.copytree(folder, folder / "inner")
    names = [str(folder / "b.wav"), str(folder / "inner/b.wav"), "silent"]
    files = [folder / "b.wav", folder / "inner/b.wav", folder / "silent.mp4"]
    assert [clip.clip_id for clip in clips_of(files, None)] == names
    assert clips_of([folder / "b.txt"], None)[0].text == ""


def test_a_clip_with_a_problem_fails_and_the_others_are_embedded(tmp_path, film, tiny):
    film(tmp_path / "a.wav", 0.5, picture=False)
    film(tmp_path / "b.wav", 0.6, picture=False)
    (tmp_path / "a.txt").write_bytes(b"\0\1")
    clips = clips_of([tmp_path / "a.wav", tmp_path / "b.wav"], None)
    first, second = embed_clips(clips, tiny, Sampling(), 1)
    assert first.embeddings is None
    assert "transcript cannot be read" in first.reason
    assert second.clip.clip_id == "b"
    assert second.embeddings is not None
    assert second.reason == ""
    assert second.remarks == decode_clip(clips[1], Sampling()).notes
    assert any("no frames" in remark or "no video" in remark for remark in second.remarks)


def test_a_model_of_batched_embeddings_predicts_with_clips_encoded_alone(tiny):
    streams = Streams.group(encoder.fingerprint(Sampling()) for encoder in tiny)
    batched = Streams.group(replace(stream, batched=True) for stream in streams.all)
    assert batched != streams
    require_same(tiny, batched)
    others = Streams.group(replace(stream, weights="0" * 64) for stream in batched.all)
    with pytest.raises(EncoderMismatch, match="vision weights"):
        require_same(tiny, others)
