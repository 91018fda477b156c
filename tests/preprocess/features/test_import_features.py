"""Features made elsewhere: what is read, what is refused, and that the cache they make is one to train on."""

import contextlib
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.embedding_store import EmbeddingReader
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.verify import verify
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora import NAMES
from semanticmac.preprocess.features.import_features import TASKS, ImportReport, import_features

AUDIO, VISION = 5, 20
Part = dict[str, object]


def number(clip: int, row: int, column: int) -> float:
    return 1 + clip * 100 + row * 10 + column / 4


def padded(clips: range, rows: int, width: int, lengths: list[int]) -> np.ndarray:
    """(N, rows, width) float32 whose every number tells clip, row and column; zeros behind each clip's length."""
    array = np.zeros((len(clips), rows, width), np.float32)
    for at, clip in enumerate(clips):
        for row in range(lengths[at]):
            array[at, row] = [number(clip, row, column) for column in range(width)]
    return array


def part(first: int, count: int, with_lengths: bool = True) -> Part:
    clips = range(first, first + count)
    heard, seen = [1 + clip % 3 for clip in clips], [1 + clip % 4 for clip in clips]
    lengths = {"audio_lengths": heard, "vision_lengths": np.array(seen)} if with_lengths else {}
    return {
        "id": [f"-v_{clip // 3}$_${clip % 3}" for clip in clips],
        "raw_text": np.array([f"“text” {clip}" for clip in clips], dtype=object),
        "text_bert": np.zeros((count, 3, 4), np.int64),
        "audio": padded(clips, 3, AUDIO, heard),
        "vision": padded(clips, 4, VISION, seen),
        "regression_labels": np.linspace(-3, 3, count).astype(np.float32),
        "annotations": np.array(["Positive"] * count),
        **lengths,
    }


def whole(with_lengths: bool = True) -> dict[str, Part]:
    return {
        "train": part(0, 6, with_lengths),
        "valid": part(6, 3, with_lengths),
        "test": part(9, 3, with_lengths),
    }


def save(data: object, folder: Path, protocol: int = 4) -> Path:
    path = folder / "features.pkl"
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    return path


def bring(path: Path, dataset: str = "mosi", **options: object) -> tuple[ImportReport, CacheLayout]:
    layout = CacheLayout(path.parent / "cache")
    return import_features(path, dataset, layout, lambda *_: None, **options), layout


def read(layout: CacheLayout, name: str = "mosi") -> tuple[Manifest, EmbeddingReader]:
    manifest = Manifest.read(layout.manifest(name))
    return manifest, EmbeddingReader(layout.embeddings(manifest.fingerprint), manifest.fingerprint)


def refused(tmp_path: Path, data: object, message: str, dataset: str = "mosi") -> None:
    with pytest.raises(CorpusError, match=message):
        bring(save(data, tmp_path), dataset)
    assert not (tmp_path / "cache" / "datasets").exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("with_lengths", [True, False])
def test_every_number_of_a_pickle_reaches_its_place(tmp_path, protocol, with_lengths):
    report, layout = bring(save(whole(with_lengths), tmp_path, protocol))
    manifest, reader = read(layout)
    assert (report.clips, report.failed, report.audio_width, report.vision_width) == (
        12,
        0,
        AUDIO,
        VISION,
    )
    assert [len(manifest.split(name)) for name in ("train", "valid", "test")] == [6, 3, 3]
    for clip, row in enumerate(manifest.rows):
        assert row.clip_id == f"-v_{clip // 3}_{clip % 3}"
        assert (row.text, row.dialogue, row.position) == (
            f"“text” {clip}",
            f"-v_{clip // 3}",
            clip % 3,
        )
        found = reader.get(row.key)
        for rows, count, width in (
            (found.audio, 1 + clip % 3, AUDIO),
            (found.vision, 1 + clip % 4, VISION),
        ):
            expected = [
                [number(clip, r, c) for c in range(width)] + [0.0] * (VISION - width)
                for r in range(count)
            ]
            np.testing.assert_array_equal(rows, np.array(expected, np.float16))
    assert [row.label for row in manifest.split("valid")] == [[-3.0], [0.0], [3.0]]
    assert verify(layout, manifest, lambda *_: None) == []


def test_what_other_versions_of_numpy_wrote_is_read_too(tmp_path):
    data = whole()
    for split in data.values():
        split["id"] = [np.str_(name) for name in split["id"]]
        split["audio_lengths"] = [np.int64(length) for length in split["audio_lengths"]]
        split["vision"] = np.asfortranarray(split["vision"]).astype(">f8")
    path = save(data, tmp_path, protocol=2)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", b"numpy.core."))
    _, layout = bring(path)
    manifest, reader = read(layout)
    assert [row.clip_id for row in manifest.split("test")] == ["-v_3_0", "-v_3_1", "-v_3_2"]
    seen = reader.get(manifest.rows[3].key).vision
    assert seen.shape == (4, VISION)
    assert seen[2, 1] == np.float16(number(3, 2, 1))


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_pickle_is_one_message_or_still_whole(tmp_path, seed):
    path = save(whole(), tmp_path)
    content, random = path.read_bytes(), np.random.default_rng(seed)
    for _ in range(10):
        damaged = bytearray(content)
        for at in random.integers(0, 600, 3):  # where the structure is; the rest is mostly numbers
            damaged[at] = random.integers(32, 127)
        path.write_bytes(damaged)
        with contextlib.suppress(CorpusError):
            bring(path)


def test_the_fingerprint_says_where_the_features_come_from(tmp_path):
    path = save(whole(), tmp_path)
    _, layout = bring(path, name="mosi-covarep")
    fingerprint = read(layout, "mosi-covarep")[0].fingerprint
    assert (fingerprint.encoder, fingerprint.width, fingerprint.trained) == (
        "imported-mosi-covarep",
        VISION,
        True,
    )
    assert fingerprint.imported
    assert fingerprint.architecture.startswith("imported:")
    assert any(
        "audio is padded with columns of zeros to the width 20" in note
        for note in read(layout, "mosi-covarep")[0].notes
    )


def test_a_second_import_writes_nothing_and_one_of_a_damaged_cache_mends_it(tmp_path):
    path = save(whole(), tmp_path)
    _, layout = bring(path)
    manifest, _ = read(layout)
    (shard,) = layout.embeddings(manifest.fingerprint).glob("shard-*.arrow")
    before = shard.read_bytes()
    bring(path)
    assert shard.read_bytes() == before
    shard.write_bytes(before[:-9] + b"\xff" + before[-8:])
    assert verify(layout, manifest, lambda *_: None)
    bring(path)
    assert verify(layout, manifest, lambda *_: None) == []


def test_an_import_writes_a_damaged_manifest_anew(tmp_path):
    path = save(whole(), tmp_path)
    _, layout = bring(path)
    before = layout.manifest("mosi").read_bytes()
    layout.manifest("mosi").write_bytes(before[:-9])
    bring(path)
    assert layout.manifest("mosi").read_bytes() == before


def test_padding_in_front_is_found_without_lengths(tmp_path):
    data = whole(with_lengths=False)
    data["train"]["audio"] = data["train"]["audio"][
        :, ::-1
    ].copy()  # as aligned features are padded
    _, layout = bring(save(data, tmp_path))
    manifest, reader = read(layout)
    assert [len(reader.get(row.key).audio) for row in manifest.split("train")] == [1, 2, 3, 1, 2, 3]


def test_a_clip_of_zeros_is_absent_and_one_without_both_is_named(tmp_path):
    data = whole()
    data["test"]["vision"][:2] = 0
    data["test"]["audio"][1] = 0
    report, layout = bring(save(data, tmp_path))
    manifest, reader = read(layout)
    assert report.failed == 1
    assert [row.clip_id for row in manifest.split("test")] == ["-v_3_0", "-v_3_2"]
    assert reader.get(manifest.split("test")[0].key).vision is None
    assert "every number is 0" in layout.failures("mosi").read_text()


def test_ids_that_repeat_across_splits_get_the_name_of_their_split(tmp_path):
    data = whole()
    data["test"]["id"] = data["valid"]["id"]
    _, layout = bring(save(data, tmp_path))
    assert [row.clip_id for row in read(layout)[0].split("test")] == [
        "test_-v_2_0",
        "test_-v_2_1",
        "test_-v_2_2",
    ]


def test_labels_of_single_modalities_and_of_classes(tmp_path):
    data = whole()
    for split in data.values():
        split["regression_labels"] = split["regression_labels"] / 3
        split["regression_labels_T"] = np.full(len(split["id"]), 0.4, np.float64)
    _, layout = bring(save(data, tmp_path), "sims")
    assert read(layout, "sims")[0].rows[0].label_text == [0.4]
    for split in data.values():
        split["annotations"] = ["joy", "Anger", "neutral"] * (len(split["id"]) // 3)
        split["classification_labels"] = np.arange(len(split["id"])) % 2
    _, layout = bring(save(data, tmp_path), "meld")
    assert read(layout, "meld")[0].rows[1].label == [0, 0, 0, 0, 0, 0, 1]
    _, layout = bring(save(data, tmp_path), "urfunny")
    assert [row.label for row in read(layout, "urfunny")[0].rows[:2]] == [[0.0], [1.0]]


class Runs:
    """A pickle of this runs `touch` where it is read by pickle.load."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def test_a_pickle_that_would_run_something_is_refused_and_named(tmp_path):
    data, trap = whole(), Runs(tmp_path / "ran")
    for where in ("id", "raw_text"):
        refused(
            tmp_path,
            data | {"valid": data["valid"] | {where: [trap]}},
            r"is refused: it asks for posix\.system",
        )
    refused(
        tmp_path,
        data | {"extra": np.array([trap, trap], dtype=object)},
        r"it asks for posix\.system",
    )
    assert not trap.file.exists()


def test_arrays_of_anything_but_numbers_and_text_are_refused(tmp_path):
    data = whole()
    refused(
        tmp_path, data | {"extra": np.zeros(2, "i4,f8")}, "is refused: it holds an array of V12"
    )
    refused(
        tmp_path,
        data | {"extra": np.array([{1: 2}, [3]], dtype=object)},
        "objects that are neither text nor numbers",
    )
    refused(
        tmp_path, data | {"extra": np.array(["2020-01-01"], "M8[D]")}, "it holds an array of M8"
    )
    path = save(data, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorpusError, match="is refused: it is cut or damaged"):
        bring(path)


def change(split: str, key: str, value: object) -> dict[str, Part]:
    data = whole()
    data[split][key] = value
    return data


def spoilt(value: float, key: str = "vision") -> dict[str, Part]:
    data = whole()
    data["valid"][key][1, 0, 2] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            spoilt(np.nan),
            r"valid: vision of clip '-v_2_1' holds 1 numbers that are NaN or infinite, .* row 0, column 2",
        ),
        (
            spoilt(-np.inf, "audio"),
            r"valid: audio of clip '-v_2_1' .* --zero-infinite reads −inf in audio as 0",
        ),
        (spoilt(70000.0), r"valid: vision of clip '-v_2_1' holds ±70000; the cache keeps float16"),
        (
            change("test", "audio", np.zeros((2, 3, 5))),
            r"test: audio has the shape \(2, 3, 5\), but 3 clips are named",
        ),
        (
            change("test", "audio", np.zeros((3, 5))),
            r"test: audio is float64 \(3, 5\), expected .* \(clips, rows, width\)",
        ),
        (change("test", "audio", np.ones((3, 3, 6))), r"audio is 5 and 6 numbers wide by split"),
        (
            change("test", "audio_lengths", [1, 9, 1]),
            r"test: audio: clip 1 has the length 9, expected 0 … 3",
        ),
        (
            change("test", "audio_lengths", [1]),
            r"test: audio_lengths has 1 values, but `id` names 3 clips",
        ),
        (
            change("test", "regression_labels", [0, 0, 4.0]),
            r"'-v_3_2', multimodal label: label 4\.0 lies outside -3\.0 … 3\.0",
        ),
        (
            change("test", "regression_labels", [0, 0, float("nan")]),
            r"test: clip '-v_3\$_\$2' has no label",
        ),
        (
            change("test", "regression_labels", None),
            r"test: no regression_labels; it holds id, raw_text",
        ),
        (change("test", "id", ["a", "a", "b"]), r"the clip id 'test_a' stands twice"),
        (change("test", "id", None), r"expected `id`, a list of one name a clip, in every split"),
        ({"features": []}, r"holds features; expected the keys train, valid and test"),
        ([1, 2], r"holds a list, expected \{train, valid, test: features\}"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, data, message):
    refused(tmp_path, data, message.replace("'-v_3_2'", r"'-v_3\$_\$2'"))


def test_zero_infinite_reads_minus_infinity_in_audio_as_zero(tmp_path):
    _, layout = bring(save(spoilt(-np.inf, "audio"), tmp_path), zero_infinite=True)
    manifest, reader = read(layout)
    assert reader.get(manifest.split("valid")[1].key).audio[0, 2] == 0
    assert "−inf in audio was read as 0" in manifest.notes


def test_what_was_made_from_raw_videos_is_not_hidden(tmp_path):
    path = save(whole(), tmp_path)
    _, layout = bring(path)
    manifest = Manifest.read(layout.manifest("mosi"))
    raw = replace(manifest, fingerprint=replace(manifest.fingerprint, architecture="imagebind"))
    raw.write(layout.manifest("mosi"))
    with pytest.raises(CorpusError, match="holds mosi made from raw videos"):
        bring(path)
    assert Manifest.read(layout.manifest("mosi")) == raw


def test_raw_videos_do_not_hide_what_was_imported(tmp_path):
    _, layout = bring(save(whole(), tmp_path))
    before = layout.manifest("mosi").read_bytes()
    corpus = Corpus("mosi", None, (Clip("a", tmp_path / "a.mp4"),))
    with pytest.raises(
        CorpusError,
        match=r"holds mosi made from imported features, .* give the videos another --name",
    ):
        build(corpus, layout, None, BuildOptions(tmp_path, 1), lambda *_: None)
    assert layout.manifest("mosi").read_bytes() == before


def test_plain_arrays_with_a_table(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(
        path, id=np.array(["a", "b", "007", "c"]), audio=padded(range(4), 3, AUDIO, [1, 2, 3, 1])
    )
    path.with_suffix(".csv").write_text(
        "clip_id,split,text,label\na,train,Hi,joy\n007,dev,,fear\nb,test,,joy\n"
    )
    report, layout = bring(path, "meld")
    manifest, reader = read(layout, "meld")
    assert [(row.clip_id, row.split, row.text) for row in manifest.rows] == [
        ("a", "train", "Hi"),
        ("b", "test", ""),
        ("007", "valid", ""),
    ]
    assert (report.audio_width, report.vision_width) == (AUDIO, 0)
    assert reader.get(manifest.rows[1].key).audio.shape == (2, AUDIO)
    assert reader.get(manifest.rows[1].key).vision is None
    assert any(
        "1 clips of own.npz are not in own.csv and are left out: c" in note
        for note in manifest.notes
    )


@pytest.mark.parametrize(
    ("arrays", "rows", "message"),
    [
        ({"id": ["a"]}, "b,train,0\n", r"1 clips of .*own\.csv have no features in .*own\.npz: b"),
        ({"id": ["a", "a"]}, "a,train,0\n", r"own\.npz: the id 'a' stands twice"),
        ({"id": [["a"]]}, "a,train,0\n", r"own\.npz: expected `id`, one name a clip"),
        (
            {"id": ["a"], "audio": np.array([{}])},
            "a,train,0\n",
            r"own\.npz is no \.npz of plain arrays",
        ),
        (
            {"id": ["a"], "audio_lengths": [[1]]},
            "a,train,0\n",
            r"audio_lengths has the shape \(1, 1\), expected \(1,\)",
        ),
        ({"id": ["a"]}, "a,train,0\n", r"holds neither audio nor vision of any clip"),
        ({"id": ["a"]}, "a,train,9\n", r"own\.csv, line 2: label: label 9\.0 lies outside"),
        (
            {"id": ["a"]},
            "a,train,0\na,train,0\n",
            r"line 3: the clip_id 'a' appears twice; it is also in line 2",
        ),
        ({"id": ["a"]}, "", r"own\.csv names no clips"),
        ({"id": ["a"]}, None, r"own\.npz needs .*own\.csv beside it"),
    ],
)
def test_what_is_wrong_with_arrays_is_named(tmp_path, arrays, rows, message):
    path = tmp_path / "own.npz"
    count = len(arrays["id"])
    audio = {"audio": np.ones((count, 2, 3))} if "audio_lengths" in arrays else {}
    np.savez(path, **audio, **arrays)
    if rows is not None:
        path.with_suffix(".csv").write_text("clip_id,split,label\n" + rows)
    with pytest.raises(CorpusError, match=message):
        bring(path)


def test_another_file_and_another_corpus_are_refused(tmp_path):
    with pytest.raises(
        CorpusError, match=r"features of 'folder' cannot be imported: expected one of iemocap, meld"
    ):
        bring(tmp_path / "a.pkl", "folder")
    with pytest.raises(
        CorpusError, match=r"a\.pkl is not a file; expected a feature file: \.pkl, \.pickle, \.npz"
    ):
        bring(tmp_path / "a.pkl")
    with pytest.raises(CorpusError, match=r"a\.csv ends in \.csv; expected a feature file"):
        bring(tmp_path / "a.csv")


def test_every_corpus_with_a_task_of_its_own_can_be_imported():
    assert set(TASKS) == set(NAMES) - {"demo", "folder"}
