"""A corpus of texts alone: cached, trained, scored; nothing is decoded or encoded."""

import csv

import pytest
from support.program import semanticmac

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.preprocess.build_texts import build_texts
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

GOOD, BAD = ("fine", "lovely", "great"), ("awful", "dull", "sad")


def write(root, rows, columns=("text", "label", "split")):
    root.mkdir(exist_ok=True)
    with (root / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return root


@pytest.fixture
def root(tmp_path):
    rows = []
    for number in range(24):
        split = ("train", "train", "valid", "test")[number % 4]
        rows.append((f"it was {GOOD[number % 3]} number {number}", "happy", split))
        rows.append((f"it was {BAD[number % 3]} number {number}", "unhappy", split))
    return write(tmp_path / "texts", rows)


def test_texts_are_cached_trained_and_scored(root, tmp_path):
    cached = semanticmac(tmp_path, "cache", "folder", "--root", root)
    assert "clips.csv has no column `file`: its clips are texts alone" in cached.stderr
    assert "48 of 48 clips are cached" in cached.stdout
    again = semanticmac(tmp_path, "cache", "folder", "--root", root)
    assert "nothing to do" in again.stdout
    assert not (tmp_path / "data/cache/frames").exists()
    assert "the clips are texts alone" in semanticmac(tmp_path, "inspect").stdout

    trained = semanticmac(
        tmp_path,
        "train",
        "--set",
        "freeze_language=true",
        "--set",
        "epochs=2",
        "--set",
        "d_model=16",
    )
    assert "no train clip has audio: the model is trained without it" in trained.stderr
    scored = semanticmac(tmp_path, "eval")
    assert "accuracy" in scored.stdout.lower() or "acc" in scored.stdout.lower()
    for model in ("text", "concat"):
        semanticmac(
            tmp_path,
            "train",
            "--model",
            model,
            "--set",
            "freeze_language=true",
            "--set",
            "epochs=1",
        )
        semanticmac(tmp_path, "eval")


def test_a_model_of_texts_predicts_the_text_of_a_video(root, tmp_path, film):
    semanticmac(tmp_path, "cache", "folder", "--root", root)
    semanticmac(
        tmp_path, "train", "--model", "text", "--set", "freeze_language=true", "--set", "epochs=1"
    )
    film(tmp_path / "clip.mp4")
    answer = semanticmac(tmp_path, "predict", "clip.mp4", "--text", "it was lovely")
    assert "happy" in answer.stdout


def test_an_empty_text_fails_and_the_others_are_cached(tmp_path):
    root = write(tmp_path / "t", [("hello", "1"), ("", "0"), ("there", "0")], ("text", "label"))
    layout = CacheLayout(tmp_path / "cache")
    report = build_texts(read_corpus("folder", root), layout)
    assert (report.cached, report.failed) == (2, 1)
    assert "the text is empty" in layout.failures("folder").read_text()
    rows = Manifest.read(layout.manifest("folder")).rows
    assert [(row.clip_id, row.text) for row in rows] == [
        ("text-000001", "hello"),
        ("text-000003", "there"),
    ]


def test_the_same_text_in_two_splits_is_named(tmp_path):
    rows = [("a", "yes", "1", "train"), ("b", "yes", "1", "test"), ("c", "no", "0", "valid")]
    root = write(tmp_path / "t", rows, ("clip_id", "text", "label", "split"))
    report = build_texts(read_corpus("folder", root), CacheLayout(tmp_path / "cache"))
    assert "a (train) = b (test)" in report.copies[0]


def test_without_splits_equal_texts_stay_together(tmp_path):
    rows = [(f"text {number % 20}", str(number % 2)) for number in range(60)]
    corpus = read_corpus("folder", write(tmp_path / "t", rows, ("text", "label")))
    assert any("split here by text" in note for note in corpus.notes)
    splits: dict[str, set] = {}
    for clip in corpus.clips:
        splits.setdefault(clip.text, set()).add(clip.split)
    assert all(len(names) == 1 for names in splits.values())
    assert {name for names in splits.values() for name in names} == {"train", "valid", "test"}


def test_a_table_without_file_and_text_is_refused(tmp_path):
    root = write(tmp_path / "t", [("1",)], ("label",))
    with pytest.raises(CorpusError, match="no column file, and no column text either"):
        read_corpus("folder", root)


def test_there_is_nothing_to_encode(root, tmp_path):
    answer = semanticmac(
        tmp_path, "cache", "folder", "--root", root, "--encoder", "imagebind-tiny", expect=2
    )
    assert "there is nothing to encode" in answer.stderr


def test_datasets_check_reads_a_corpus_of_texts(root, tmp_path):
    answer = semanticmac(tmp_path, "datasets", "check", "folder", "--root", root)
    assert "belong to no clip" not in answer.stdout
