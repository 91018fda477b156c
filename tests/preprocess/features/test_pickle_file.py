"""Feature pickles: all numbers and labels are read, no code is run, and errors name the defect."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from support.feature_files import (
    AUDIO,
    VISION,
    assert_refused,
    feature_pickle,
    import_file,
    number,
    read_dataset,
    save_pickle,
    with_column,
)

from semanticmac.cache.verify import verify
from semanticmac.preprocess.clip import CorpusError


def assert_numbers(rows: np.ndarray, clip: int, count: int, width: int) -> None:
    expected = np.zeros((count, width), np.float16)
    for row in range(count):
        for column in range(width):
            expected[row, column] = number(clip, row, column)
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("with_lengths", [True, False])
def test_every_number_of_a_pickle_is_in_the_cache(tmp_path, protocol, with_lengths):
    report, layout = import_file(save_pickle(feature_pickle(with_lengths), tmp_path, protocol))
    manifest, reader = read_dataset(layout)
    assert (report.clips, report.failed) == (12, 0)
    assert (report.audio_width, report.vision_width) == (AUDIO, VISION)
    assert [len(manifest.split(name)) for name in ("train", "valid", "test")] == [6, 3, 3]
    for clip, row in enumerate(manifest.rows):
        assert row.clip_id == f"-v_{clip // 3}_{clip % 3}"
        assert row.text == f"“text” {clip}"
        assert (row.dialogue, row.position) == (f"-v_{clip // 3}", clip % 3)
        embeddings = reader.get(row.key)
        assert_numbers(embeddings.audio, clip, 1 + clip % 3, AUDIO)
        assert_numbers(embeddings.vision, clip, 1 + clip % 4, VISION)
    assert [row.label for row in manifest.split("valid")] == [[-3.0], [0.0], [3.0]]
    assert verify(layout, manifest, lambda *_: None) == []


def test_pickles_of_other_numpy_versions_are_read(tmp_path):
    data = feature_pickle()
    for split in data.values():
        split["id"] = [np.str_(name) for name in split["id"]]
        split["audio_lengths"] = [np.int64(length) for length in split["audio_lengths"]]
        split["vision"] = np.asfortranarray(split["vision"]).astype(">f8")
    path = save_pickle(data, tmp_path, protocol=2)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", b"numpy.core."))
    _, layout = import_file(path)
    manifest, reader = read_dataset(layout)
    assert [row.clip_id for row in manifest.split("test")] == ["-v_3_0", "-v_3_1", "-v_3_2"]
    vision = reader.get(manifest.rows[3].key).vision
    assert vision.shape == (4, VISION)
    assert vision[2, 1] == np.float16(number(3, 2, 1))


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_pickle_raises_corpus_error_or_is_imported(tmp_path, seed):
    path = save_pickle(feature_pickle(), tmp_path)
    content, random = path.read_bytes(), np.random.default_rng(seed)
    for _ in range(10):
        damaged = bytearray(content)
        for position in random.integers(0, 600, 3):  # The rest is mostly numbers.
            damaged[position] = random.integers(32, 127)
        path.write_bytes(damaged)
        with contextlib.suppress(CorpusError):
            import_file(path)


def test_ids_that_repeat_across_splits_get_the_name_of_their_split(tmp_path):
    data = feature_pickle()
    data["test"]["id"] = data["valid"]["id"]
    _, layout = import_file(save_pickle(data, tmp_path))
    assert [row.clip_id for row in read_dataset(layout)[0].split("test")] == [
        "test_-v_2_0",
        "test_-v_2_1",
        "test_-v_2_2",
    ]


def test_labels_of_modalities_and_of_classes_are_read(tmp_path):
    data = feature_pickle()
    for split in data.values():
        split["regression_labels"] = split["regression_labels"] / 3
        split["regression_labels_T"] = np.full(len(split["id"]), 0.4, np.float64)
    _, layout = import_file(save_pickle(data, tmp_path), "sims")
    assert read_dataset(layout, "sims")[0].rows[0].label_text == [0.4]
    for split in data.values():
        split["annotations"] = ["joy", "Anger", "neutral"] * (len(split["id"]) // 3)
        split["classification_labels"] = np.arange(len(split["id"])) % 2
    _, layout = import_file(save_pickle(data, tmp_path), "meld")
    assert read_dataset(layout, "meld")[0].rows[1].label == [0, 0, 0, 0, 0, 0, 1]
    _, layout = import_file(save_pickle(data, tmp_path), "urfunny")
    assert [row.label for row in read_dataset(layout, "urfunny")[0].rows[:2]] == [[0.0], [1.0]]


class RunsTouch:
    """Its pickle runs `touch` when pickle.load reads it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    data, trap = feature_pickle(), RunsTouch(tmp_path / "ran")
    for key in ("id", "raw_text"):
        assert_refused(
            tmp_path,
            data | {"valid": data["valid"] | {key: [trap]}},
            r"is refused: it asks for posix\.system",
        )
    assert_refused(
        tmp_path,
        data | {"extra": np.array([trap, trap], dtype=object)},
        r"it asks for posix\.system",
    )
    assert not trap.file.exists()


def test_arrays_of_anything_but_numbers_and_text_are_refused(tmp_path):
    data = feature_pickle()
    assert_refused(
        tmp_path, data | {"extra": np.zeros(2, "i4,f8")}, "is refused: it holds an array of V12"
    )
    assert_refused(
        tmp_path,
        data | {"extra": np.array([{1: 2}, [3]], dtype=object)},
        "objects that are neither text nor numbers",
    )
    assert_refused(
        tmp_path, data | {"extra": np.array(["2020-01-01"], "M8[D]")}, "it holds an array of M8"
    )
    path = save_pickle(data, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorpusError, match="is refused: it is cut or damaged"):
        import_file(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            with_column("test", "audio_lengths", [1]),
            r"test: audio_lengths has 1 values, but `id` names 3 clips",
        ),
        (
            with_column("test", "regression_labels", [0, 0, float("nan")]),
            r"test: clip '-v_3\$_\$2' has no label",
        ),
        (
            with_column("test", "regression_labels", None),
            r"test: no regression_labels; it holds id, raw_text",
        ),
        (
            with_column("test", "id", None),
            r"expected `id`, a list with the name of each clip, in every split",
        ),
        ({"features": []}, r"holds features; expected the keys train, valid and test"),
        ([1, 2], r"holds a list, expected \{train, valid, test: features\}"),
    ],
)
def test_the_error_names_what_the_pickle_lacks(tmp_path, data, message):
    assert_refused(tmp_path, data, message)
