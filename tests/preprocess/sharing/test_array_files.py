"""An .npz opens in NumPy and comes back as the same bytes; a pickle is one that MMSA reads."""

import pickle

import numpy as np
import pytest
from support.shared_cache import embedding_bytes

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.opening import open_cached
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.mosi import TASK
from semanticmac.preprocess.features import npz_sizes
from semanticmac.preprocess.features.npz_file import read_feature_arrays
from semanticmac.preprocess.features.pickle_file import read_feature_pickle
from semanticmac.preprocess.sharing.array_files import (
    is_npz_export,
    read_npz,
    write_mmsa,
    write_npz,
)
from semanticmac.preprocess.sharing.header import select
from semanticmac.preprocess.sharing.restore import restore


def silent(*_: object) -> None:
    """No progress."""


@pytest.fixture
def path(layout, tmp_path):
    path = tmp_path / "mosi.npz"
    write_npz(select(layout, "mosi", "all", "all"), layout.manifest("mosi"), path)
    return path


def test_numpy_reads_padded_arrays(path, layout):
    opened = open_cached(layout, "mosi")
    with np.load(path) as file:
        assert file["vision"].shape == (7, 4, 4) and file["vision"].dtype == np.float16
        for number, row in enumerate(opened.manifest.rows):
            length = file["vision_lengths"][number]
            expected = opened.reader.get(row.key).vision
            np.testing.assert_array_equal(file["vision"][number, :length], expected)
            assert not file["vision"][number, length:].any()
        assert file["audio_absent"].tolist() == [False] * 3 + [True] + [False] * 3
    table = path.with_suffix(".csv").read_text("utf-8").splitlines()
    assert table[0].startswith("clip_id,split,text,label")
    assert table[1] == 'clip 0,train,"text, “0”",-3,,,'


def test_an_npz_comes_back_as_the_same_bytes(path, layout, tmp_path):
    assert is_npz_export(path)
    other = CacheLayout(tmp_path / "other")
    restore(*read_npz(path), other, silent)
    assert embedding_bytes(other) == embedding_bytes(layout)
    assert other.manifest("mosi").read_bytes() == layout.manifest("mosi").read_bytes()


def test_a_cut_npz_is_refused(path, tmp_path):
    cut = tmp_path / "cut.npz"
    cut.write_bytes(path.read_bytes()[:-200])
    assert not is_npz_export(cut)
    with pytest.raises(CorpusError, match="is no whole export"):
        read_npz(cut)


def test_arrays_that_need_more_memory_than_there_is_are_refused_before_they_are_read(
    path, monkeypatch
):
    monkeypatch.setattr(npz_sizes, "available_memory", lambda: 100)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(CorpusError, match=r"its arrays need .* bytes of memory, and 100 are avail"):
        read_npz(path)


@pytest.mark.parametrize("changed", [-1, 99])
def test_lengths_that_do_not_fit_are_refused(path, changed):
    with np.load(path) as file:
        arrays = dict(file)
    arrays["vision_lengths"][2] = changed
    np.savez(path, **arrays)
    with pytest.raises(CorpusError, match="its arrays and lengths do not fit together"):
        read_npz(path)


def test_other_programs_read_the_same_npz_as_features(path, layout):
    # Those with a split: the reader of other programs' files needs one.
    table = path.with_suffix(".csv")
    lines = [line for line in table.read_text("utf-8").splitlines() if ",," not in line[:12]]
    table.write_text("\n".join(line for line in lines if not line.startswith("clip 5")) + "\n")
    features = read_feature_arrays(path, TASK, zero_infinite=False)
    assert features.vision_width == 4 and features.audio_width == 5
    assert len(features.clips) == 6


def test_mmsa_reads_a_pickle(layout, tmp_path):
    path = tmp_path / "mosi.pkl"
    notes = write_mmsa(select(layout, "mosi", "imagebind-huge", "last"), path)
    assert "text_bert" in notes[0]
    with path.open("rb") as file:
        data = pickle.load(file)
    assert list(data) == ["train", "valid", "test"]
    part = data["train"]
    assert part["id"] == ["clip 0", "clip 1", "clip 4"]
    assert part["vision"].dtype == np.float32 and part["vision_lengths"] == [2, 3, 3]
    assert part["regression_labels"].tolist() == [-3.0, -2.0, 1.0]
    features = read_feature_pickle(path, TASK, zero_infinite=False)
    opened = open_cached(layout, "mosi")
    keys = {row.clip_id: row.key for row in opened.manifest.rows}
    for item in features.clips:
        expected = opened.reader.get(keys[item.clip.clip_id])
        np.testing.assert_array_equal(item.vision.astype(np.float16), expected.vision)
        assert (item.audio is None) == (expected.audio is None)


def test_a_pickle_has_one_stream_of_each_modality(layout, tmp_path):
    with pytest.raises(CorpusError, match="one stream of each modality"):
        write_mmsa(select(layout, "mosi", "all", "all"), tmp_path / "mosi.pkl")
