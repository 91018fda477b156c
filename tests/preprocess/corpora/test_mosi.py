"""CMU-MOSI's official layout; test_mmsa.py tests the common one."""

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import Options, read_corpus

TRANSCRIPTS = {
    "Raw/Transcript/Segmented/v1_a.annotprocessed": (
        "1_DELIM_GOOD MOVIE\n2_DELIM_I DON'T KNOW\n10_DELIM_BYE\n"
    ),
    "Raw/Transcript/Segmented/-v2.annotprocessed": "1_DELIM_BAD\n",
    "Raw/Video/Segmented/v1_a_1.mp4": b"",
}
LABELS = {
    "Raw/Labels/OpinionLevelSentiment.csv": (
        "0,1,v1_a,1,2.4\n1,2,v1_a,2,0\n2,3,v1_a,10,-1\n0,1,-v2,1,-3\n"
    )
}
SPLITS = {"splits.csv": "video_id,split\nv1_a,train\n-v2,test\n"}


def test_the_official_layout_with_a_list_of_videos(write):
    root = write(TRANSCRIPTS | LABELS | SPLITS)
    corpus = read_corpus("mosi", root)
    clips = {clip.clip_id: clip for clip in corpus.clips}
    assert list(clips) == ["-v2_1", "v1_a_1", "v1_a_2", "v1_a_10"]
    assert clips["v1_a_1"].video == root / "Raw/Video/Segmented/v1_a_1.mp4"
    assert clips["v1_a_2"].text == "I DON'T KNOW"
    assert [clip.labels["multimodal"] for clip in corpus.clips] == [-3.0, 2.4, 0.0, -1.0]
    assert [clip.split for clip in corpus.clips] == ["test", "train", "train", "train"]
    assert (clips["v1_a_10"].dialogue, clips["v1_a_10"].position) == ("v1_a", 2)
    assert any("3 of 4 video files are missing" in note for note in corpus.notes)


def test_labels_by_clip_where_the_label_file_is_absent(write):
    labels = {
        "labels.csv": (
            "clip_id,label,label_text\nv1_a_1,1,2\nv1_a_2,0,\nv1_a_10,0,\n-v2_1,-1,\nx_1,0,\n"
        )
    }
    corpus = read_corpus("mosi", write(TRANSCRIPTS | labels | SPLITS))
    assert corpus.clips[1].labels == {"multimodal": 1.0, "text": 2.0}
    assert any("1 id is in labels.csv and not in mosi: x_1" in note for note in corpus.notes)


def test_without_a_split_it_asks_for_one(write):
    root = write(TRANSCRIPTS | LABELS)
    with pytest.raises(
        CorpusError,
        match=r"has no split\. Write .*splits\.csv \(columns clip_id or video_id, and split",
    ):
        read_corpus("mosi", root)
    by_video = read_corpus("mosi", root, Options(split_by="video"))
    assert {clip.split for clip in by_video.clips} == {"train", "valid"}


def test_without_labels_it_asks_for_them(write):
    with pytest.raises(
        CorpusError,
        match=r"no labels in .*; expected Labels/OpinionLevelSentiment\.csv, or .*labels\.csv",
    ):
        read_corpus("mosi", write(TRANSCRIPTS | SPLITS))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "Transcript/Segmented/x.annotprocessed",
            "1 GOOD\n",
            r"x\.annotprocessed, line 1: expected `<number>_DELIM_<text>`",
        ),
        (
            "Transcript/Segmented/x.annotprocessed",
            "1_DELIM_A\n1_DELIM_B\n",
            r"line 2: the segment 1 appears twice",
        ),
        (
            "Labels/OpinionLevelSentiment.csv",
            "0,1,v1_a,1\n",
            r"Sentiment\.csv, line 1: 4 cells, expected start, end, video",
        ),
        (
            "Labels/OpinionLevelSentiment.csv",
            "0,1,v1_a,1,3.4\n",
            r"Sentiment\.csv, line 1: label 3\.4 lies outside -3 … 3",
        ),
        (
            "Labels/OpinionLevelSentiment.csv",
            "0,1,v,1,nan\n",
            r"line 1: the label is 'nan', expected a finite number",
        ),
        (
            "Labels/OpinionLevelSentiment.csv",
            "0,1,v,1,1\n0,1,v,1,2\n",
            r"line 2: the segment v_1 appears twice",
        ),
    ],
)
def test_a_wrong_file_names_file_and_line(write, name, content, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("mosi", write(TRANSCRIPTS | LABELS | SPLITS | {f"Raw/{name}": content}))
