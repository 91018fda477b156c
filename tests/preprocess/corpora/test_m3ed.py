"""M3ED: dialogues, splits by series, persons as speakers."""

import json

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus


def utterance(speaker: str, emotion: str | None) -> dict[str, object]:
    return {"Speaker": speaker, "Text": " 你好 ", "EmoAnnotation": {"final_main_emo": emotion}}


def layout(emotion: str = "Happy") -> dict[str, str | bytes]:
    people = {"A": {"Name": "Li"}, "B": {"Name": "Wang"}}
    first = {"one_1_1": utterance("A", emotion), "one_1_2": utterance("B", "Surprise")}
    annotation = {
        "one": {"one_1": {"SpeakerInfo": people, "Dialog": first}},
        "two": {"two_1": {"SpeakerInfo": people, "Dialog": {"two_1_1": utterance("A", None)}}},
    }
    return {
        "annotation.json": json.dumps(annotation),
        "splitInfo/movie_list_train.txt": "one\n",
        "splitInfo/movie_list_val.txt": "",
        "splitInfo/movie_list_test.txt": "two\n",
        "modality_speech/A_one_1_1.wav": b"",
        "modality_video/A_one_1_1.mp4": b"",
        "modality_speech/B_one_1_2.wav": b"",
    }


def test_utterances_of_dialogues(write):
    corpus = read_corpus("m3ed", write(layout()))
    first, second, third = corpus.clips
    assert (first.clip_id, first.split, first.dialogue, first.position) == (
        "one_1_1",
        "train",
        "one_1",
        0,
    )
    assert first.text == "你好" and first.labels == {"multimodal": "happy"}
    assert first.video.name == "A_one_1_1.mp4" and second.video.name == "B_one_1_2.wav"
    assert (first.speaker, second.speaker) == ("one_Li", "one_Wang") and second.position == 1
    assert third.split == "test" and third.labels == {}
    assert any("not seen on a real copy" in note for note in corpus.notes)
    assert any("1 of 3 video files are missing" in note for note in corpus.notes)


def test_what_is_wrong_is_named(write):
    with pytest.raises(CorpusError, match="one_1_1, multimodal: the label is 'Bored', expected"):
        read_corpus("m3ed", write(layout("Bored")))


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"one": []}, r"annotation.json: 'one' is \[\], expected an object"),
        ({"one": {"one_1": "x"}}, "annotation.json: 'one_1' is 'x', expected an object"),
        ({"one": {"one_1": {"Dialog": [1]}}}, r"annotation.json, one_1: 'Dialog' is \[1\]"),
        (
            {"one": {"one_1": {"Dialog": {"a": {"Speaker": "A", "EmoAnnotation": "Sad"}}}}},
            "annotation.json, a: 'EmoAnnotation' is 'Sad', expected an object",
        ),
        (
            {"one": {"one_1": {"SpeakerInfo": {"A": "Li"}, "Dialog": {"a": {"Speaker": "A"}}}}},
            "annotation.json, a: 'A' is 'Li', expected an object",
        ),
    ],
)
def test_another_structure_is_named(write, annotation, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("m3ed", write({**layout(), "annotation.json": json.dumps(annotation)}))


def test_a_series_without_a_split_is_named(write):
    files = {**layout(), "splitInfo/movie_list_test.txt": ""}
    corpus = read_corpus("m3ed", write(files))
    assert "no list of splitInfo has these series, so they have no split: two" in corpus.notes
    assert not any("no list of" in note for note in read_corpus("m3ed", write(layout())).notes)


def test_without_annotation_the_layout_is_told(write):
    with pytest.raises(
        CorpusError, match=r"holds no annotation.json; expected it beside splitInfo"
    ):
        read_corpus("m3ed", write({"a.txt": ""}))
