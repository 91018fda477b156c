"""The common layout (label.csv beside Raw/) of MOSI, MOSEI, SIMS and SIMS v2."""

import pytest

from semanticmac.core import Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"


def test_sims_with_its_four_labels_and_padded_names(write):
    rows = (
        "video_0001,1,你好,-0.4,0.2,,1.0,Negative,train\nvideo_0001,0010,早,0.0,,,,Neutral,valid\n"
    )
    files = {
        "Raw/video_0001/0001.mp4": b"",
        "Raw/video_0001/0010.mp4": b"",
        "label.csv": HEADER + rows,
    }
    root = write(files)
    corpus = read_corpus("sims", root)
    first, second = corpus.clips
    assert corpus.task == Task("regression", low=-1.0, high=1.0)
    assert (first.clip_id, first.text, first.split) == ("video_0001_1", "你好", "train")
    assert first.video == root / "Raw" / "video_0001" / "0001.mp4"
    assert first.labels == {"multimodal": -0.4, "text": 0.2, "vision": 1.0}
    assert (second.clip_id, second.dialogue, second.position, second.split) == (
        "video_0001_0010",
        "video_0001",
        1,
        "valid",
    )
    assert second.labels == {"multimodal": 0.0}
    assert corpus.notes == ()


@pytest.mark.parametrize("name", ["label.csv", "meta.csv"])
def test_simsv2_may_call_its_label_file_meta(write, name):
    rows = "aqgy3,0001,好,0.6,0.4,0.6,0.8,Positive,test\n"
    corpus = read_corpus("simsv2", write({"Raw/aqgy3/0001.mp4": b"", name: HEADER + rows}))
    assert [clip.split for clip in corpus.clips] == ["test"]


@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_mosi_and_mosei_without_the_three_newer_columns(write, name):
    rows = "-a_b_,10,GOOD,2.4,Positive,train\n-a_b_,9,BAD,-3,Negative,test\n"
    header = "video_id,clip_id,text,label,annotation,mode\n"
    corpus = read_corpus(name, write({"label.csv": header + rows}))
    assert [(clip.clip_id, clip.position) for clip in corpus.clips] == [
        ("-a_b__10", 1),
        ("-a_b__9", 0),
    ]
    assert corpus.task == Task("regression")
    assert corpus.notes == ("2 of 2 video files are missing: -a_b__10, -a_b__9",)


def test_a_clip_without_a_label_is_noted_and_has_no_split(write):
    corpus = read_corpus(
        "sims", write({"label.csv": HEADER + "v,1,a,,0.2,,,,train\nv,2,b,1,,,,,train\n"})
    )
    assert [clip.split for clip in corpus.clips] == [None, "train"]
    assert "1 clip has no label and so no split: v_1" in corpus.notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "video_id,clip_id,text,label\nv,1,a,0\n",
            r"label\.csv, line 1: no column mode; the header has video_id",
        ),
        (HEADER, r"label\.csv names no clips"),
        (
            HEADER + "v,1,a,1.4,,,,,train\n",
            r"label\.csv, line 2: label: label 1\.4 lies outside -1\.0 … 1\.0",
        ),
        (
            HEADER + "v,1,a,0,,,-2,,train\n",
            r"label\.csv, line 2: label_V: label -2\.0 lies outside",
        ),
        (HEADER + "v,1,a,nan,,,,,train\n", r"label\.csv, line 2: label is NaN"),
        (
            HEADER + "v,1,a,good,,,,,train\n",
            r"label\.csv, line 2: the label is 'good', expected a number",
        ),
        (
            HEADER + "v,1,a,0,,,,,train\nv,1,b,0,,,,,test\n",
            r"line 3: the clip id 'v_1' appears twice; it is also in line 2",
        ),
        (
            HEADER + "v,1,a,0,,,,,all\n",
            r"label\.csv, line 2: mode is 'all', expected one of train, valid, test",
        ),
        (
            HEADER + "../..,1,a,0,,,,,train\n",
            r"label\.csv, line 2: 'Raw/\.\./\.\./1\.mp4' leads out of",
        ),
        (HEADER + "v,,a,0,,,,,train\n", r"label\.csv, line 2: the column 'clip_id' is empty"),
    ],
)
def test_a_wrong_label_file_names_file_and_line(write, content, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("sims", write({"label.csv": content}))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sims", r"sims: .* holds no label\.csv; expected it beside Raw/<video_id>/<clip_id>\.mp4"),
        ("simsv2", r"simsv2: .* holds no label\.csv or meta\.csv"),
        (
            "mosi",
            r"mosi: .* holds neither label\.csv .* "
            r"nor Raw/Transcript/Segmented/<video>\.annotprocessed",
        ),
        (
            "mosei",
            r"mosei: .* holds neither label\.csv .* nor Transcript/Segmented/Combined/<video>\.txt",
        ),
    ],
)
def test_a_folder_of_another_layout_says_what_was_expected(tmp_path, name, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus(name, tmp_path)
