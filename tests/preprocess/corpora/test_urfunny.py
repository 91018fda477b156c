"""UR-FUNNY V2: three pickles of plain data, whose ids are numbers there and file names here."""

import pickle
from pathlib import Path

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

LANGUAGE = {
    7: {
        "punchline_sentence": "and then  it fell",
        "context_sentences": ["so", "we sat"],
        "punchline_features": [1, 2],
    },
    12: {"punchline_sentence": ["thank", "you"], "context_sentences": []},
}
LABELS = {7: 1, 12: 0, 99: 1}
FOLDS = {"train": [7], "dev": [12], "test": [1000]}


def files(
    language: object = LANGUAGE, labels: object = LABELS, folds: object = FOLDS
) -> dict[str, bytes]:
    named = {"language_sdk.pkl": language, "humor_label_sdk.pkl": labels, "data_folds.pkl": folds}
    return {"urfunny2_videos/7.mp4": b""} | {
        name: pickle.dumps(data, 2) for name, data in named.items()
    }


def test_ids_texts_labels_and_folds(write):
    root = write(files())
    corpus = read_corpus("urfunny", root)
    first, second, third = corpus.clips
    assert (first.clip_id, first.text, first.labels, first.split) == (
        "7",
        "and then it fell",
        {"multimodal": "1"},
        "train",
    )
    assert first.video == root / "urfunny2_videos/7.mp4"
    assert (second.clip_id, second.text, second.labels, second.split) == (
        "12",
        "thank you",
        {"multimodal": "0"},
        "valid",
    )
    assert (third.text, third.split) == ("", None)
    assert corpus.notes == (
        "2 of 3 video files are missing: 12, 99",
        "1 labelled excerpt is in no fold, so without a split: 99",
        "1 excerpt has a fold but no label; left out: 1000",
        "1 labelled excerpt has no text: 99",
    )


def test_the_pickles_may_lie_in_a_folder_of_their_own(write):
    moved = {
        f"features/{name}" if name.endswith(".pkl") else name: content
        for name, content in files().items()
    }
    assert len(read_corpus("urfunny", write(moved)).clips) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": {7: 2}}, r"humor_label_sdk\.pkl: the label of '7' is 2, expected 0 or 1"),
        (
            {"labels": {7: float("nan")}},
            r"humor_label_sdk\.pkl: the label of '7' is nan, expected 0 or 1",
        ),
        (
            {"labels": {7: 1, "7": 0}},
            r"humor_label_sdk\.pkl: a clip id appears both as a number and as a string",
        ),
        (
            {"labels": [1, 0]},
            r"humor_label_sdk\.pkl holds a list, expected a dictionary by clip id",
        ),
        ({"labels": {"../../x": 1}}, r"leads out of"),
        ({"folds": {"train": [7], "test": [7]}}, r"data_folds\.pkl: '7' is in train and in test"),
        (
            {"folds": {"training": [7]}},
            r"data_folds\.pkl: expected the keys train, dev and test .* got 'training'",
        ),
        (
            {"language": {7: {"punchline_sentence": 3}}},
            r"punchline_sentence of '7' is a int, expected text",
        ),
        ({"language": {7: Path("x")}}, r"language_sdk\.pkl is refused: it asks for pathlib"),
    ],
)
def test_wrong_data_is_named(write, changed, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("urfunny", write(files(**changed)))


def test_an_absent_pickle_says_what_was_expected(write):
    rest = {name: content for name, content in files().items() if name != "data_folds.pkl"}
    with pytest.raises(
        CorpusError,
        match=r"holds no data_folds\.pkl; expected language_sdk\.pkl, humor_label_sdk\.pkl and",
    ):
        read_corpus("urfunny", write(rest))
