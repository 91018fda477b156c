"""Your own videos: with a clips.csv, without one, and with one that is wrong."""

from collections import Counter
from pathlib import Path

import av
import pytest

from semanticmac.core import Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.decoding.probe import CONTAINERS

VIDEOS = {f"{name}.mp4": b"" for name in "abcdefghij"}


def table(*labels: str, header: str = "file,label") -> dict[str, str | bytes]:
    """A clips.csv that gives the files a.mp4, b.mp4 … these labels, with the files."""
    rows = [f"{name},{label}" for name, label in zip(VIDEOS, labels, strict=False)]
    return {**VIDEOS, "clips.csv": "\n".join([header, *rows, ""])}


def test_every_column_is_read(write):
    header = "clip_id,file,start_s,end_s,text,label,label_text,label_audio,label_vision,split,dialogue_id,position,speaker"
    rows = "007,in/a.mp4,1.5,4,Hello,-1.5,0,,2,dev,d1,0,Ann\n7,in/a.mp4,4,,,1,,,,test,d1,1,\n"
    corpus = read_corpus("folder", write({"in/a.mp4": b"", "clips.csv": f"{header}\n{rows}"}))
    first, second = corpus.clips
    assert (first.clip_id, first.start_s, first.end_s, first.text) == ("007", 1.5, 4.0, "Hello")
    assert first.labels == {"multimodal": -1.5, "text": 0.0, "vision": 2.0}
    assert (first.split, first.dialogue, first.position, first.speaker) == ("valid", "d1", 0, "Ann")
    assert (second.clip_id, second.end_s, second.speaker, second.split) == ("7", None, None, "test")
    assert corpus.task == Task("regression")
    assert corpus.notes == ()


def test_only_file_is_needed_and_ids_come_from_it(write):
    rows = "file\nx/a.mp4\nx/a.wav\nb.mp4\nc.mp4\nc.mp4\n"
    files = {"x/a.mp4": b"", "x/a.wav": b"", "b.mp4": b"", "c.mp4": b""}
    corpus = read_corpus("folder", write({**files, "clips.csv": rows}))
    assert [clip.clip_id for clip in corpus.clips] == ["x/a.mp4", "x/a.wav", "b", "c#1", "c#2"]
    assert corpus.task is None
    assert all(clip.split is None for clip in corpus.clips)


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
    note = "2 links that lead to no file are passed over: broken.mp4, other"
    assert read_corpus("folder", root).notes[1:] == (note,)


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
    root = write({**VIDEOS, "clips.csv": "file\nout/a.mp4\nb.mp4\n"})
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


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["-3", "2.5"], Task("regression")),
        (["-0.4", "1"], Task("regression")),
        (["1", "6.5"], Task("regression", low=1.0, high=7.0)),
        (["1", "0"], Task("binary", ("0", "1"))),
        (["true", "false"], Task("binary", ("false", "true"))),
        (["sad", "happy", "sad"], Task("single-label", ("happy", "sad"))),
        (["1_60", "1_70"], Task("single-label", ("1_60", "1_70"))),
    ],
)
def test_the_labels_decide_the_task(write, labels, task):
    assert read_corpus("folder", write(table(*labels))).task == task


def test_a_range_that_is_not_assumed_is_noted(write):
    notes = read_corpus("folder", write(table("1", "6.5"))).notes
    assert any("the range is 1 … 7" in note for note in notes)


@pytest.mark.parametrize("name", ["label", "emotion", "sentiment"])
def test_labels_and_texts_may_have_their_other_names(write, name):
    root = write(
        {**VIDEOS, "clips.csv": f"file,{name},transcript,mood\na.mp4,sad,Hi,x\nb.mp4,glad,Ho,y\n"}
    )
    corpus = read_corpus("folder", root)
    assert [(clip.labels["multimodal"], clip.text) for clip in corpus.clips] == [
        ("sad", "Hi"),
        ("glad", "Ho"),
    ]
    assert "columns of clips.csv that are not read: mood" in corpus.notes


def test_a_guessed_split_keeps_each_speaker_together_and_repeats(write):
    rows = [f"a.mp4,{i},{'sad' if i % 2 else 'glad'},s{i % 10}" for i in range(100)]
    root = write({**VIDEOS, "clips.csv": "\n".join(["file,start_s,label,speaker", *rows, ""])})
    corpus = read_corpus("folder", root)
    assert Counter(clip.split for clip in corpus.clips) == {"train": 80, "valid": 10, "test": 10}
    assert len({(clip.speaker, clip.split) for clip in corpus.clips}) == 10
    assert any("split here by speaker" in note for note in corpus.notes)
    assert read_corpus("folder", root) == corpus


def test_a_guessed_split_without_speakers_keeps_each_file_together(write):
    rows = [f"{name},{i},{i % 2}" for name in VIDEOS for i in range(3)]
    corpus = read_corpus(
        "folder", write({**VIDEOS, "clips.csv": "\n".join(["file,start_s,label", *rows, ""])})
    )
    assert len({(clip.video, clip.split) for clip in corpus.clips}) == 10
    assert {clip.split for clip in corpus.clips} == {"train", "valid", "test"}
    assert any("split here by file" in note for note in corpus.notes)


def test_a_clip_without_a_label_gets_no_guessed_split(write):
    corpus = read_corpus("folder", write(table("sad", "glad", "sad", "", "glad")))
    assert [clip.split is None for clip in corpus.clips] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name\na.mp4\n", r"clips\.csv, line 1: no column file"),
        ("file\n../a.mp4\n", r"clips\.csv, line 2: '\.\./a\.mp4' leads out of"),
        ("file\n/etc/passwd\n", r"clips\.csv, line 2: '/etc/passwd' leads out of"),
        ("file\n\na.mp4\n \n,x\n", r"clips\.csv, line 5: 2 cells, but the header has 1"),
        ("file,label\n,1\n", r"clips\.csv, line 2: the column 'file' is empty"),
        (
            "file,label\na.mp4,1\nb.mp4,nan\n",
            r"clips\.csv, line 3: label is NaN; leave the cell empty",
        ),
        (
            "file,label\na.mp4,sad\nb.mp4,NaN\n",
            r"clips\.csv, line 3: label is NaN; leave the cell empty",
        ),
        (
            "file,label\na.mp4,sad\nb.mp4,sad\n",
            r"every label is 'sad'; a task needs at least two classes",
        ),
        ("file,label\na.mp4,7\nb.mp4,7\n", r"every label is 7; there is nothing to learn"),
        (
            "clip_id,file\n1,a.mp4\n1,b.mp4\n",
            r"clips\.csv, line 3: the clip id '1' appears twice; it is also in line 2",
        ),
        (
            "file,split\na.mp4,training\n",
            r"clips\.csv, line 2: split is 'training', expected one of train, valid, test",
        ),
        (
            "file,start_s,end_s\na.mp4,4,3\n",
            r"clips\.csv, line 2: the clip runs from 4\.0 s to 3\.0 s",
        ),
        ("file,start_s\na.mp4,-1\n", r"clips\.csv, line 2: the clip runs from -1\.0 s"),
        ("file,position\na.mp4,1.5\n", r"clips\.csv, line 2: position is 1\.5, expected 0, 1, 2"),
        (
            "file,position\na.mp4,1e10\n",
            r"clips\.csv, line 2: position is 1e\+10, expected 0, 1, 2 … 2147483647",
        ),
        ("file\n", r"clips\.csv names no clips"),
    ],
)
def test_a_wrong_table_names_file_and_line(write, content, message):
    root = write({**VIDEOS, "clips.csv": content})
    with pytest.raises(CorpusError, match=message):
        read_corpus("folder", root)


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
