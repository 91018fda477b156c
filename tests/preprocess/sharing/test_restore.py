"""An export from a stranger writes nothing outside the cache."""

from dataclasses import replace

import numpy as np
import pytest

from semanticmac.cache.layout import CacheLayout
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.sharing.header import Header, select
from semanticmac.preprocess.sharing.parquet_folder import read_clips, read_folder, write_folder
from semanticmac.preprocess.sharing.restore import restore


def silent(*_: object) -> None:
    """No progress."""


@pytest.fixture
def parts(layout, tmp_path):
    chosen = select(layout, "mosi", "all", "all")
    write_folder(chosen, layout.manifest("mosi"), tmp_path / "export", "me/mosi", silent)
    manifest, header = read_folder(tmp_path / "export")
    return manifest, header, read_clips(tmp_path / "export", header)


@pytest.fixture
def other(tmp_path) -> CacheLayout:
    return CacheLayout(tmp_path / "deep" / "down" / "other")


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "a/b", ""])
def test_a_dataset_name_that_is_a_path_is_refused(parts, other, name):
    manifest, header, clips = parts
    manifest = replace(manifest, dataset=name, corpus="mosi")
    with pytest.raises(CorpusError, match="the export names a dataset"):
        restore(manifest, header, clips, other, silent)
    assert not other.root.parent.exists()


def test_a_key_that_is_a_path_is_refused(parts, other):
    manifest, header, clips = parts
    first, *rest = manifest.rows
    manifest = replace(manifest, rows=(replace(first, key="../../../evil"), *rest))
    with pytest.raises(CorpusError, match=r"the key '../../../evil': expected 32 hex"):
        restore(manifest, header, clips, other, silent)
    assert not other.root.parent.exists()


def test_a_modality_that_is_a_path_is_refused(parts, tmp_path):
    text = parts[1].to_json().replace('"modality": "vision"', '"modality": "../../evil"')
    with pytest.raises(CorpusError, match="is no export of semanticmac"):
        Header.from_json(text, tmp_path / "header.json")


def test_embeddings_of_another_width_are_refused(parts, other):
    manifest, header, clips = parts
    column = header.streams[0].column
    wider = {key: np.ones((2, 6), np.float16) for key in clips[column]}
    with pytest.raises(CorpusError, match=r"has the shape \(2, 6\), expected \(rows, 4\)"):
        restore(manifest, header, {**clips, column: wider}, other, silent)
