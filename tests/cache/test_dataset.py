"""A dataset of the cache as batches, as NumPy arrays and as a pandas table."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.batches import CLIPS, assert_same, lengths

from semanticmac.cache.batch import Batch
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.keys import Sampling
from semanticmac.cache.manifest import Manifest
from semanticmac.core import Task


def test_a_batch_holds_every_clip_as_the_cache_has_it(dataset: ClipDataset, embeddings) -> None:
    [batch] = make_dataloader(dataset, CLIPS, lengths, 1)
    assert batch.vision.dtype == batch.audio.dtype == torch.float32
    for i in range(CLIPS):
        made = embeddings(i, 1 + i % 4, i % 3 != 1, i % 3 != 0)
        for name in ("vision", "audio"):
            expected = np.zeros((4, 8), np.float32)
            frames = getattr(made, name)
            real = 0 if frames is None else len(frames)
            if real:
                expected[:real] = frames
            assert np.array_equal(getattr(batch, name)[i].numpy(), expected)
            assert getattr(batch, f"{name}_mask")[i].tolist() == [k < real for k in range(4)]
    assert batch.token_ids[:, 0].tolist() == batch.rows.tolist() == list(range(CLIPS))
    assert batch.labels.isnan()[:, 0].tolist() == [i == 5 for i in range(CLIPS)]


@pytest.mark.parametrize("batches", [None, [[3, 1], [4], [10, 0, 5]]])
def test_worker_processes_make_the_same_batches(
    dataset: ClipDataset, batches: list[list[int]] | None
) -> None:
    def read(workers: int) -> list[Batch]:
        order = torch.Generator().manual_seed(0)
        return list(
            make_dataloader(dataset, 4, lengths, 1, order, batches=batches, workers=workers)
        )

    here, there = read(0), read(2)
    assert len(here) == len(there) == 3
    for ours, theirs in zip(there, here, strict=True):
        assert_same(ours, theirs)
    if batches is not None:
        assert [batch.rows.tolist() for batch in here] == batches


def test_to_numpy_gives_every_clip_at_its_own_length(dataset: ClipDataset, embeddings) -> None:
    arrays = dataset.to_numpy()
    assert arrays.clip_ids.tolist() == [f"clip {i}" for i in range(CLIPS)]
    assert arrays.texts.tolist() == ["x" * i for i in range(CLIPS)]
    assert arrays.labels.shape == (CLIPS, 1) and arrays.labels.dtype == np.float32
    assert np.isnan(arrays.labels[:, 0]).tolist() == [i == 5 for i in range(CLIPS)]
    assert arrays.labels[3, 0] == 3.0
    for i in range(CLIPS):
        clip = embeddings(i, 1 + i % 4, i % 3 != 1, i % 3 != 0)
        for expected, actual in ((clip.vision, arrays.vision[i]), (clip.audio, arrays.audio[i])):
            assert actual.dtype == np.float16
            assert not actual.flags.writeable or len(actual) == 0
            assert np.array_equal(actual, np.empty((0, 8)) if expected is None else expected)


def test_to_pandas_gives_one_row_per_clip(dataset: ClipDataset) -> None:
    table = dataset.to_pandas()
    columns = ["clip_id", "split", "text", "label", "frames", "duration_s", "has_vision"]
    columns += ["has_audio", "dialogue", "position", "speaker"]
    assert table.columns.tolist() == columns and len(table) == CLIPS
    assert table.loc[3, ["clip_id", "split", "text", "label", "frames"]].tolist() == [
        *("clip 3", "train", "xxx", 3.0, 4)
    ]
    assert table["label"].isna().tolist() == [i == 5 for i in range(CLIPS)]


def test_to_pandas_has_one_column_per_class(dataset: ClipDataset) -> None:
    task = Task("multi-label", ("joy", "anger"))
    rows = [replace(dataset.rows[1], label=[1.0, 0.0]), replace(dataset.rows[2], label=None)]
    manifest = Manifest("some", task, Sampling(), tuple(rows))
    table = ClipDataset(manifest, dataset._reader, rows).to_pandas()
    assert table[["label_joy", "label_anger"]].loc[0].tolist() == [1.0, 0.0]
    assert table[["label_joy", "label_anger"]].loc[1].isna().all()


def test_without_pandas_the_error_says_how_to_install_it(dataset, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'semanticmac\[pandas\]'"):
        dataset.to_pandas()
