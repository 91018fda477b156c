"""CMU-MOSEI's official layout: annotators, emotions, cut and uncut videos."""

import pytest

from semanticmac.core import Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
HEADER = (
    "HITId,Input.VIDEO_ID,Input.CLIP,"
    + ",".join(f"Answer.{name}" for name in (*EMOTIONS, "sentiment"))
    + "\n"
)
TRANSCRIPTS = {
    "Transcript/Segmented/Combined/-a_.txt": (
        "-a____0___0.5___4.25___Good, I ___ think\n-a____1___4.25___9___Bad\n"
    ),
    "Transcript/Segmented/Combined/b.txt": (
        "b___3___0___1.5___So\nb___4___2___2___nothing\nno clip\n"
    ),
}
LABELS = {
    "Labels/one.csv": HEADER
    + "x,-a_,0,0,0,0,3,0,0,2\nx,-a_,0,0,0,1,0,0,0,1\nx,-a_,1,0,0,0,0,0,0,-1\n",
    "Labels/two.csv": HEADER + "x,-a_,0,0,0,0,0,0,0,\nx,b,3,1,0,0,0,2,0,0\nx,c,0,0,0,0,0,0,0,0\n",
}
SPLITS = {"splits.csv": "clip_id,split\n-a__0,train\n-a__1,dev\nb_3,test\n"}


def test_sentiment_is_the_mean_over_annotators(write):
    corpus = read_corpus("mosei", write(TRANSCRIPTS | LABELS | SPLITS))
    assert corpus.task == Task("regression")
    assert [clip.clip_id for clip in corpus.clips] == ["-a__0", "-a__1", "b_3"]
    assert [clip.labels["multimodal"] for clip in corpus.clips] == [1.5, -1.0, 0.0]
    assert [clip.split for clip in corpus.clips] == ["train", "valid", "test"]
    assert corpus.clips[0].text == "Good, I ___ think"
    assert "1 label has no transcript; left out: c_0" in corpus.notes
    assert any(
        "2 transcript lines are not" in note and "b.txt:2, b.txt:3" in note for note in corpus.notes
    )


def test_an_emotion_is_present_where_its_mean_is_above_zero(write):
    corpus = read_corpus("mosei-emotion", write(TRANSCRIPTS | LABELS | SPLITS))
    assert corpus.task == Task(
        "multi-label", ("happy", "sad", "anger", "surprise", "disgust", "fear")
    )
    assert [clip.labels["multimodal"] for clip in corpus.clips] == [
        ("happy", "fear"),
        (),
        ("sad", "anger"),
    ]
    assert [clip.split for clip in corpus.clips] == ["train", "valid", "test"]


def test_a_cut_video_is_taken_whole_and_a_full_one_by_its_span(write):
    root = write(TRANSCRIPTS | LABELS | SPLITS)
    write({"Videos/Segmented/Combined/-a__0.mp4": b"", "Videos/Full/Combined/-a_.mp4": b""})
    cut, full, absent = read_corpus("mosei", root).clips
    assert (cut.video, cut.start_s, cut.end_s) == (
        root / "Videos/Segmented/Combined/-a__0.mp4",
        0.0,
        None,
    )
    assert (full.video, full.start_s, full.end_s) == (
        root / "Videos/Full/Combined/-a_.mp4",
        4.25,
        9.0,
    )
    assert absent.video == root / "Videos/Full/Combined/b.mp4"


def test_the_common_layout_has_no_emotions(write):
    with pytest.raises(
        CorpusError, match=r"holds the common layout, whose label\.csv has sentiment only"
    ):
        read_corpus("mosei-emotion", write({"label.csv": "video_id,clip_id,text,label,mode\n"}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "Labels/one.csv",
            "Input.VIDEO_ID,Input.CLIP\n",
            r"one\.csv, line 1: no column Answer\.sentiment",
        ),
        (
            "Labels/one.csv",
            HEADER + "x,b,3,0,0,0,0,0,0,4\n",
            r"one\.csv, line 2: Answer\.sentiment is 4, outside -3 … 3",
        ),
        (
            "Labels/one.csv",
            HEADER + "x,b,3,0,0,0,0,0,0,nan\n",
            r"one\.csv, line 2: Answer\.sentiment is 'nan'",
        ),
        (
            "Labels/one.csv",
            HEADER + "x,,3,0,0,0,0,0,0,1\n",
            r"one\.csv, line 2: the column 'Input\.VIDEO_ID' is empty",
        ),
        (
            "Transcript/Segmented/Combined/b.txt",
            "b___0___0___1___a\nb___0___1___2___b\n",
            r"line 2: the clip b_0 appears twice",
        ),
        (
            "Transcript/Segmented/Combined/b.txt",
            "b___0___x___1___a\n",
            r"b\.txt, line 1: the start is 'x', expected a number",
        ),
    ],
)
def test_a_wrong_file_names_file_and_line(write, name, content, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("mosei", write(TRANSCRIPTS | LABELS | SPLITS | {name: content}))


def test_an_id_in_a_transcript_may_not_lead_out_of_the_corpus(write):
    lines = {"Transcript/Segmented/Combined/b.txt": "../../../../../b___0___0___1___a\n"}
    with pytest.raises(CorpusError, match="leads out of"):
        read_corpus("mosei", write(TRANSCRIPTS | LABELS | SPLITS | lines))


def test_an_emotion_outside_its_scale_is_refused(write):
    rows = {"Labels/one.csv": HEADER + "x,b,3,0,0,0,4,0,0,0\n"}
    with pytest.raises(CorpusError, match=r"line 2: Answer\.happiness is 4, outside 0 … 3"):
        read_corpus("mosei-emotion", write(TRANSCRIPTS | LABELS | SPLITS | rows))
