"""clips.csv: its columns, its task, its default split and what is wrong with it."""

from collections import Counter

import pytest

from semanticmac.core import Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import Options, read_corpus

VIDEOS = {f"{name}.mp4": b"" for name in "abcdefghij"}


def table(*labels: str, header: str = "file,label") -> dict[str, str | bytes]:
    """A clips.csv that gives the files a.mp4, b.mp4 … these labels, with the files."""
    rows = [f"{name},{label}" for name, label in zip(VIDEOS, labels, strict=False)]
    return {**VIDEOS, "clips.csv": "\n".join([header, *rows, ""])}


def test_every_column_is_read(write):
    header = "clip_id,file,start_s,end_s,text,label,label_text,label_audio,label_vision,"
    header += "split,dialogue_id,position,speaker"
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


def test_a_list_of_splits_takes_the_place_of_the_guessed_split(write, tmp_path):
    rows = [f"{index}.mp4,{index % 2}" for index in range(6)]
    root = write({"clips.csv": "\n".join(["file,label", *rows])})
    lines = [f"{index},{('train', 'valid', 'test')[index % 3]}" for index in range(6)]
    list_ = tmp_path / "fold-0.csv"
    list_.write_text("\n".join(["clip_id,split", *lines]))
    corpus = read_corpus("folder", root, Options(splits=list_))
    assert [clip.split for clip in corpus.clips] == ["train", "valid", "test"] * 2
    assert not any("no split column" in note for note in corpus.notes)


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


FILES = {f"{name}.mp4": b"video" for name in "abc"}


def test_the_same_clip_with_two_labels_is_an_error(write):
    table = "file,label\na.mp4,0\nb.mp4,1\na.mp4,1\n"
    with pytest.raises(CorpusError, match=r"line 4: a\.mp4 has other labels than in line 2"):
        read_corpus("folder", write({**FILES, "clips.csv": table}))


def test_the_same_clip_with_the_same_label_is_told(write):
    table = "file,start_s,label\na.mp4,0,0\nb.mp4,0,1\na.mp4,0,0\n"
    corpus = read_corpus("folder", write({**FILES, "clips.csv": table}))
    note = "1 clip is the same part of the same file as another clip: a#2"
    assert note in corpus.notes


def test_other_parts_of_a_file_are_other_clips(write):
    table = "file,start_s,end_s,label\na.mp4,0,1,0\nb.mp4,0,1,1\na.mp4,1,2,1\n"
    corpus = read_corpus("folder", write({**FILES, "clips.csv": table}))
    assert [clip.labels["multimodal"] for clip in corpus.clips] == ["0", "1", "1"]
