"""MUStARD: folds by position, context clips, and the real label files."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest

from semanticmac.core import Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import Options, read_corpus

ENTRIES = {
    f"1_{i}": {
        "utterance": f" Line {i}. ",
        "speaker": "ANN",
        "context": ["One.", "Two."],
        "context_speakers": ["BEN", "ANN"],
        "show": "X",
        "sarcasm": i % 2 == 0,
    }
    for i in range(12)
}
FOLDS = [[list(range(2, 12)), [0, 1]], [list(range(10)), [10, 11]]]


def files(entries: object = ENTRIES, folds: object = FOLDS) -> dict[str, str | bytes]:
    return {
        "data/sarcasm_data.json": json.dumps(entries),
        "data/split_indices.json": json.dumps(folds),
    }


def test_utterances_labels_and_the_first_fold(write):
    root = write(files())
    corpus = read_corpus("mustard", root)
    assert corpus.task == Task("binary", ("false", "true"))
    clip = corpus.clips[0]
    assert (clip.clip_id, clip.text, clip.speaker, clip.labels) == (
        "1_0",
        "Line 0.",
        "ANN",
        {"multimodal": "true"},
    )
    assert clip.video == root / "utterances_final/1_0.mp4"
    assert [clip.clip_id for clip in corpus.clips if clip.split == "test"] == ["1_0", "1_1"]
    assert Counter(clip.split for clip in corpus.clips) == {"train": 9, "valid": 1, "test": 2}


def test_another_fold(write):
    corpus = read_corpus("mustard", write(files()), Options(fold=1))
    assert [clip.clip_id for clip in corpus.clips if clip.split == "test"] == ["1_10", "1_11"]
    with pytest.raises(CorpusError, match=r"split_indices\.json has the folds 0 … 1, not 2"):
        read_corpus("mustard", write(files()), Options(fold=2))


def test_the_repository_s_own_pickle_of_arrays_gives_the_same_folds(write):
    arrays = [tuple(np.array(part, dtype="<i8") for part in fold) for fold in FOLDS]
    own = {
        "data/sarcasm_data.json": json.dumps(ENTRIES),
        "data/split_indices.p": pickle.dumps(arrays, 2),
    }
    root = write(own)
    from_pickle = read_corpus("mustard", root)
    assert read_corpus("mustard", write(files())).clips == from_pickle.clips


def test_a_context_clip_stands_before_its_utterance_where_it_was_downloaded(write):
    corpus = read_corpus("mustard", write(files() | {"context_final/1_3_c.mp4": b""}))
    context, target = (clip for clip in corpus.clips if clip.dialogue == "1_3")
    assert (context.clip_id, context.text, context.split, context.labels) == (
        "1_3_c",
        "One. Two.",
        None,
        {},
    )
    assert (context.position, target.position) == (0, 1)
    assert context.speaker is None  # two people speak in it
    assert any("1 context clips precede their utterances" in note for note in corpus.notes)


def test_without_folds_there_is_no_split(write):
    corpus = read_corpus("mustard", write({"sarcasm_data.json": json.dumps(ENTRIES)}))
    assert {clip.split for clip in corpus.clips} == {None}
    assert any("no clip has a split; give a list with --splits" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"entries": {"1_0": ENTRIES["1_0"] | {"sarcasm": "yes"}}},
            r"'sarcasm' of '1_0' is not a bool",
        ),
        ({"entries": {"1_0": {"utterance": "a"}}}, r"'speaker' of '1_0' is not a str"),
        ({"entries": []}, r"sarcasm_data\.json holds a list, expected a dictionary by clip id"),
        ({"entries": {"../../x": ENTRIES["1_0"]}, "folds": [[[0], []]]}, r"leads out of"),
        ({"folds": [[[0, 1], [1]]]}, r"split_indices\.json: a clip appears twice in fold 0"),
        (
            {"folds": [[[0, 12], [1]]]},
            r"fold 0 has the position 12, expected 0 … 11, as in sarcasm_data",
        ),
        (
            {"folds": [[0, 1, 2]]},
            r"expected a list of \[train positions, test positions\], one for each fold",
        ),
    ],
)
def test_wrong_data_is_named(write, changed, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("mustard", write(files(**changed)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1,\n!}', r"sarcasm_data\.json, line 2: not JSON"),
        ('{"1_0": {}, "1_0": {}}', r"'1_0' appears twice"),
    ],
)
def test_a_broken_file_is_named(write, content, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("mustard", write({"data/sarcasm_data.json": content}))


@pytest.mark.parametrize("fold", range(5))
def test_the_real_label_files_give_690_clips_in_every_fold(shared, fold):
    corpus = read_corpus("mustard", shared("mustard"), Options(fold=fold))
    assert Counter(clip.labels["multimodal"] for clip in corpus.clips) == {
        "true": 345,
        "false": 345,
    }
    assert Counter(clip.split for clip in corpus.clips) == {"train": 497, "valid": 55, "test": 138}
