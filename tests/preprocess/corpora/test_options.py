"""The options that any corpus takes, and the splits that are made here."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import NAMES, Options, read_corpus

ROWS = "".join(
    f"v{i // 4},{i % 4},text,0.2,{('train', 'valid', 'test', 'train')[i % 4]}\n" for i in range(40)
)


SIMS = {"label.csv": "video_id,clip_id,text,label,mode\n" + ROWS}


def test_a_list_of_clips_replaces_the_split_and_the_rest_has_none(write):
    root = write(SIMS | {"own.csv": "clip_id,split\nv0_0,test\nv0_1,val\nv9_9,train\nv0_2,\n"})
    corpus = read_corpus("sims", root, Options(splits=root / "own.csv"))
    assert {clip.clip_id: clip.split for clip in corpus.clips if clip.split} == {
        "v0_0": "test",
        "v0_1": "valid",
    }
    assert "1 id is in own.csv and not in sims: v9_9" in corpus.notes
    assert any(
        note.startswith("37 clips are not in own.csv, without a split: v0_3, v1_0,")
        for note in corpus.notes
    )


def test_a_list_of_videos_does_too(write):
    root = write(SIMS | {"own.csv": "video_id,split\nv0,test\nv1,train\n"})
    corpus = read_corpus("sims", root, Options(splits=root / "own.csv"))
    assert Counter(clip.split for clip in corpus.clips) == {"test": 4, "train": 4, None: 32}


def test_excluded_clips_are_gone(write):
    root = write(SIMS | {"out.csv": "clip_id,why\nv0_0,corrupt\nv9_9,absent\n"})
    corpus = read_corpus("sims", root, Options(exclude=root / "out.csv"))
    assert len(corpus.clips) == 39
    assert any(note.startswith("1 clip is left out by") for note in corpus.notes)
    assert "1 id is in out.csv and not in sims: v9_9" in corpus.notes


def test_labels_are_replaced_and_checked(write):
    root = write(SIMS | {"own.csv": "clip_id,label,label_text\nv0_0,-1,0.5\n"})
    corpus = read_corpus("sims", root, Options(labels=root / "own.csv"))
    assert corpus.clips[0].labels == {"multimodal": -1.0, "text": 0.5}
    assert corpus.clips[1].labels == {"multimodal": 0.2}
    write({"own.csv": "clip_id,label\nv0_0,-1.5\n"})
    with pytest.raises(
        CorpusError, match=r"own\.csv, line 2: label: label -1\.5 lies outside -1\.0 … 1\.0"
    ):
        read_corpus("sims", root, Options(labels=root / "own.csv"))


def test_by_video_keeps_the_shares_and_parts_no_video(write):
    corpus = read_corpus("sims", write(SIMS), Options(split_by="video"))
    assert Counter(clip.split for clip in corpus.clips) == {"train": 24, "valid": 8, "test": 8}
    assert len({(clip.dialogue, clip.split) for clip in corpus.clips}) == 10
    assert any("this is not the official split" in note for note in corpus.notes)


def test_validation_by_video_leaves_test_as_it_is(write):
    before = read_corpus("sims", write(SIMS), Options())
    corpus = read_corpus("sims", write(SIMS), Options(split_by="valid-video"))
    assert Counter(clip.split for clip in corpus.clips) == {"train": 21, "valid": 9, "test": 10}
    for old, new in zip(before.clips, corpus.clips, strict=True):
        assert (old.split == "test") == (new.split == "test")
    divided = {(clip.dialogue, clip.split) for clip in corpus.clips if clip.split != "test"}
    assert len(divided) == 10
    assert any("test is the old one" in note for note in corpus.notes)


def test_by_speaker_needs_the_speaker_of_every_clip(write):
    header = "clip_id,video,text,label,split,speaker\n"
    rows = []
    for number in range(24):
        split = ("train", "valid", "test")[number % 3]
        rows.append(f"c{number},c{number}.mp4,text,0.{number % 10},{split},s{number // 4}\n")
    files = {f"c{number}.mp4": "" for number in range(24)}
    root = write(files | {"clips.csv": header + "".join(rows)})
    corpus = read_corpus("folder", root, Options(split_by="speaker"))
    assert len({(clip.speaker, clip.split) for clip in corpus.clips}) == 6
    assert Counter(clip.split for clip in corpus.clips) == {"train": 8, "valid": 8, "test": 8}
    with pytest.raises(CorpusError, match=r"cannot be split by speaker: 40 clips have no speaker"):
        read_corpus("sims", write(SIMS), Options(split_by="speaker"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("clip_id\nv0_0\n", r"own\.csv, line 1: no column split; the header has clip_id"),
        (
            "clip_id,split\nv0_0,all\n",
            r"own\.csv, line 2: split is 'all', expected one of train, valid, test",
        ),
        (
            "clip_id,split\nv0_0,test\nv0_0,train\n",
            r"own\.csv, line 3: the clip_id 'v0_0' appears twice; .* line 2",
        ),
        (
            "clip_id,split\nx,test\n",
            r"own\.csv gives no clip of sims a split; its ids look like x, the corpus's like v0_0",
        ),
    ],
)
def test_a_wrong_list_names_file_and_line(write, content, message):
    root = write(SIMS | {"own.csv": content})
    with pytest.raises(CorpusError, match=message):
        read_corpus("sims", root, Options(splits=root / "own.csv"))


def test_options_that_cannot_be_meant_are_refused(write):
    with pytest.raises(ValueError, match="splits and split_by exclude each other"):
        Options(splits=Path("a.csv"), split_by="video")
    with pytest.raises(ValueError, match="split_by='face', expected one of video, speaker"):
        Options(split_by="face")  # type: ignore[arg-type]
    with pytest.raises(
        CorpusError, match=r"fold=1 was given, but only mustard has folds, not sims"
    ):
        read_corpus("sims", write(SIMS), Options(fold=1))
    root = write(
        SIMS
        | {"out.csv": "clip_id\n" + "".join(f"v{i}_{j}\n" for i in range(10) for j in range(4))}
    )
    with pytest.raises(CorpusError, match=r"out\.csv excludes every clip of sims"):
        read_corpus("sims", root, Options(exclude=root / "out.csv"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mosey", r"no corpus is called 'mosey'; did you mean .*mosei"),
        ("SIMS", r"did you mean sims"),
        (
            "quux",
            r"no corpus is called 'quux'; "
            r"expected one of cherma, cremad, demo, emotiontalk, folder, iemocap, "
            r"iemocap-dimensions, m3ed, meld, mer2023, mosei, mosei-emotion, mosi",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(tmp_path, name, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus(name, tmp_path)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "demo"])
def test_no_corpus_is_read_from_a_folder_that_is_not_there_or_is_empty(tmp_path, name):
    with pytest.raises(CorpusError, match="is not a folder"):
        read_corpus(name, tmp_path / "none")
    with pytest.raises(CorpusError, match=str(tmp_path)):
        read_corpus(name, tmp_path)


def test_importing_the_corpora_is_light():
    code = (
        "import json, sys; import semanticmac.preprocess.corpora.check; "
        "heavy = ('torch', 'pyarrow', 'transformers', 'decord'); "
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout) == []
