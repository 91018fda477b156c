"""Your own videos in a folder: its files, links and transcripts."""

from collections import Counter
from pathlib import Path

import av
import pytest
from support.unreadable import make_unreadable

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.decoding.probe import CONTAINERS


def test_without_a_table_every_media_file_counts_and_a_text_file_is_its_transcript(write):
    files = {
        "b.MP4": b"",
        "a/01.wav": b"",
        "a/01.txt": "two\nlines ",
        ".hidden/c.mp4": b"",
        ".d.mp4": b"",
        "e.csv": b"",
    }
    corpus = read_corpus("folder", write(files))
    assert [(clip.clip_id, clip.text) for clip in corpus.clips] == [
        ("a/01", "two lines"),
        ("b", ""),
    ]
    assert corpus.task is None
    assert "no clip has a label" in corpus.notes[0]


def test_files_that_are_no_clips_are_counted_and_named_in_one_note(write):
    files = ["a.mp4", "a.txt", "b.xyz", "c.XYZ", "d", "sub/e.pdf", "lonely.txt", "sub/clips.csv"]
    root = write({**dict.fromkeys(files, b""), ".hidden/f.xyz": b"", ".g.xyz": b""})
    corpus = read_corpus("folder", root)
    assert [clip.clip_id for clip in corpus.clips] == ["a"]
    message = "5 files are passed over (.xyz 2, no suffix 1, .txt 1, .pdf 1): "
    assert corpus.notes[1:] == (message + "b.xyz, c.XYZ, d, lonely.txt, sub/e.pdf",)


def test_a_folder_of_clips_and_transcripts_alone_has_no_further_note(write):
    corpus = read_corpus("folder", write({"a.mp4": b"", "a.txt": b"Hi", ".b.xyz": b""}))
    assert len(corpus.notes) == 1


def test_links_that_lead_to_no_file_are_named(write, tmp_path):
    root = write({"a.mp4": b""})
    (root / "broken.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "other").mkdir()
    (root / "other").symlink_to(tmp_path / "other")
    note = "2 links are passed over, because no file is there: broken.mp4, other"
    assert read_corpus("folder", root).notes[1:] == (note,)


def test_a_link_that_cannot_be_followed_is_named(write):
    root = write({"a.mp4": b""})
    (root / "long.mp4").symlink_to("x" * 300)
    note = "1 link is passed over, because no file is there: long.mp4"
    assert read_corpus("folder", root).notes[1:] == (note,)


def test_a_subfolder_that_cannot_be_read_is_a_clip_with_a_problem(write, monkeypatch):
    root = write({"a.mp4": b"", "locked/b.mp4": b"", "locked.mp4": b"", ".hidden/c.mp4": b""})
    make_unreadable(root / "locked", monkeypatch)
    corpus = read_corpus("folder", root)
    assert [clip.clip_id for clip in corpus.clips] == ["a", "locked", "locked/"]
    expected = "the folder cannot be read, and files in it are passed over: Permission denied"
    assert [clip.problem for clip in corpus.clips] == ["", "", expected]
    assert not any("missing" in note for note in corpus.notes)
    make_unreadable(root, monkeypatch)
    with pytest.raises(CorpusError, match=r"corpus cannot be read: Permission denied"):
        read_corpus("folder", root)


def test_a_file_whose_folder_cannot_be_entered_is_a_clip_with_a_problem(write, monkeypatch):
    root = write({"a.mp4": b"", "b.mp4": b""})
    lstat = Path.lstat

    def refuse(path: Path):
        if path.name == "b.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", refuse)
    first, second = read_corpus("folder", root).clips
    assert (first.clip_id, first.problem) == ("a", "")
    assert second.clip_id == "b.mp4"
    assert second.problem == "the file cannot be read: Permission denied"


def test_every_usual_suffix_of_a_container_that_is_decoded_counts(write):
    no_clips = {"heic", "heif", "avif"}  # pictures
    no_clips |= {"mks", "ism"}  # subtitles, a manifest
    no_clips |= {"afc", "apl", "h26l", "mac"}  # seen nowhere
    names = {"divx", "m2v", "mpe", "oga", "ogm", "ogv", "opus", "qt", "rmvb", "spx", "vob", "weba"}
    for container in CONTAINERS.split(","):
        for mode in ("r", "w"):
            try:
                names |= av.ContainerFormat(container, mode).extensions
            except ValueError:
                continue  # a container that FFmpeg only reads or only writes
    names -= no_clips
    assert {"ts", "m2ts", "amr", "aif", "3g2", "caf", "mka", "mxf", "wv", "ac3", "asf"} <= names
    corpus = read_corpus("folder", write({f"{name}/a.{name}": b"" for name in names}))
    assert {clip.video.suffix for clip in corpus.clips} == {f".{name}" for name in names}
    assert len(corpus.notes) == 1


def test_a_link_out_of_the_folder_is_a_problem_of_its_clip(write, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.mp4").write_bytes(b"")
    root = write({"b.mp4": b"", "clips.csv": "file\nout/a.mp4\nb.mp4\n"})
    (root / "out").symlink_to(tmp_path / "elsewhere")
    first, second = read_corpus("folder", root).clips
    assert first.problem.startswith("the file is a link that leads out of")
    assert second.problem == ""


def test_a_transcript_that_is_no_text_is_a_problem_of_its_clip(write):
    root = write({"a.mp4": b"", "a.txt": b"\0\1\2", "b.mp4": b"", "b.txt": b"Hello"})
    first, second = read_corpus("folder", root).clips
    assert first.problem.startswith("its transcript cannot be read: ")
    assert "a.txt contains NUL bytes" in first.problem
    assert (second.problem, second.text) == ("", "Hello")


def test_an_empty_folder_says_what_it_would_have_taken(tmp_path):
    with pytest.raises(
        CorpusError, match=r"contains no clips\.csv and no media file; expected videos \(.*\.mp4"
    ):
        read_corpus("folder", tmp_path)


def test_some_missing_files_are_noted_and_kept(write):
    corpus = read_corpus("folder", write({"a.mp4": b"", "clips.csv": "file\na.mp4\nz.mp4\n"}))
    assert len(corpus.clips) == 2
    assert "1 of 2 video files are missing: z" in corpus.notes


def test_the_grid_clips_are_read_as_they_came(shared):
    corpus = read_corpus("folder", shared("grid"))
    assert len(corpus.clips) == 6
    assert corpus.task is None
    assert corpus.clips[0].text == "bin blue at f two now"


def test_the_ravdess_clips_are_read_as_they_came(shared):
    corpus = read_corpus("folder", shared("ravdess"))
    assert corpus.task is not None
    assert corpus.task.kind == "single-label"
    assert len(corpus.task.classes) == 8
    assert len(corpus.clips) == 96
    assert Counter(clip.split for clip in corpus.clips) == {"train": 64, "valid": 16, "test": 16}
    assert len({clip.speaker for clip in corpus.clips}) == 6
    assert len({(clip.speaker, clip.split) for clip in corpus.clips}) == 6
    assert all(isinstance(clip.video, Path) and clip.video.is_file() for clip in corpus.clips)


def test_a_transcript_that_is_a_link_out_of_the_folder_is_not_read(write, tmp_path):
    (tmp_path / "secret").write_text("private")
    root = write({"a.mp4": b""})
    (root / "a.txt").symlink_to(tmp_path / "secret")
    [clip] = read_corpus("folder", root).clips
    assert clip.text == "" and "its transcript is a link that leads out of" in clip.problem
