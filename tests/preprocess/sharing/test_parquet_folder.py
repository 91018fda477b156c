"""An exported folder opens in `datasets` and comes back as the same bytes of embeddings."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.shared_cache import STREAMS, embedding_bytes

from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.opening import open_cached
from semanticmac.cache.verify import verify
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.sharing.header import select
from semanticmac.preprocess.sharing.parquet_folder import read_clips, read_folder, write_folder
from semanticmac.preprocess.sharing.restore import restore


def silent(*_: object) -> None:
    """No progress."""


@pytest.fixture
def folder(layout, tmp_path):
    path = tmp_path / "mosi-features"
    chosen = select(layout, "mosi", "all", "all")
    write_folder(chosen, layout.manifest("mosi"), path, "me/mosi-features", silent)
    return path


def test_an_export_comes_back_as_the_same_bytes(folder, layout, tmp_path):
    other = CacheLayout(tmp_path / "other")
    manifest, header = read_folder(folder)
    report = restore(manifest, header, read_clips(folder, header), other, silent)
    assert (report.dataset, report.clips) == ("mosi", 7)
    assert not any("added to" in note for note in report.notes)
    assert embedding_bytes(other) == embedding_bytes(layout)
    assert other.manifest("mosi").read_bytes() == layout.manifest("mosi").read_bytes()
    assert set(report.streams) == set(STREAMS)
    assert verify(other, Manifest.read(other.manifest("mosi")), silent) == []
    opened = open_cached(other, "mosi")
    assert opened.streams.vision == (STREAMS[0],) and opened.streams.audio == (STREAMS[2],)


def test_datasets_opens_the_folder_with_its_splits(folder, layout, tmp_path):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "hf"))
    assert {name: len(part) for name, part in loaded.items()} == {
        "train": 3,
        "valid": 1,
        "test": 2,
        "nosplit": 1,
    }
    opened = open_cached(layout, "mosi")
    for part in loaded.values():
        for clip in part.with_format("numpy"):
            expected = opened.reader.get(str(clip["key"]))
            np.testing.assert_array_equal(clip["vision"].astype(np.float16), expected.vision)
            assert (clip["audio"] is None) == (expected.audio is None)
    assert loaded["train"][0]["text"] == "text, “0”"
    assert loaded["train"][0]["label"] == [-3.0]


def test_nothing_of_the_videos_goes_along(folder):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "semanticmac/header.json",
        "semanticmac/manifest.parquet",
        *(f"data/{split}-00000.parquet" for split in ("train", "valid", "test", "nosplit")),
    }
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"/home/me" not in path.read_bytes(), path


def test_a_refused_clip_is_refused_after_the_import_too(folder, tmp_path):
    other = CacheLayout(tmp_path / "other")
    manifest, header = read_folder(folder)
    report = restore(manifest, header, read_clips(folder, header), other, silent)
    assert any("1 clip is not in faces-clip-large" in note for note in report.notes)
    opened = open_cached(other, "mosi", "faces-clip-large")
    assert "its faces could not be searched" in opened.notes[0]


def test_a_dataset_with_the_same_clips_gets_the_streams_and_keeps_its_labels(
    folder, layout, tmp_path
):
    before = layout.manifest("mosi").read_bytes()
    manifest, header = read_folder(folder)
    report = restore(manifest, header, read_clips(folder, header), layout, silent)
    assert report.notes[0].startswith("added to mosi,")
    assert layout.manifest("mosi").read_bytes() == before
    assert not layout.shared("mosi").exists()


def test_a_dataset_with_other_clips_is_refused_unless_renamed(folder, tmp_path):
    other = CacheLayout(tmp_path / "other")
    manifest, header = read_folder(folder)
    clips = read_clips(folder, header)
    smaller = Manifest("mosi", manifest.task, manifest.sampling, manifest.rows[:2])
    smaller.write(other.manifest("mosi"))
    with pytest.raises(CorpusError, match=r"with other clips .*: give another --name"):
        restore(manifest, header, clips, other, silent)
    report = restore(manifest, header, clips, other, silent, name="theirs")
    assert report.dataset == "theirs"
    assert Manifest.read(other.manifest("theirs")).corpus == "mosi"


def test_a_changed_or_missing_file_is_refused(folder):
    path = folder / "data" / "valid-00000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorpusError, match=r"valid-00000.parquet is missing or changed"):
        read_folder(folder)
    path.unlink()
    with pytest.raises(CorpusError, match="is missing or changed"):
        read_folder(folder)


def test_a_header_that_leads_out_of_the_folder_is_refused(folder):
    path = folder / "semanticmac" / "header.json"
    fields = json.loads(path.read_text())
    fields["files"] = {"../../cache/digests.json": "0" * 64}
    path.write_text(json.dumps(fields))
    with pytest.raises(CorpusError, match="missing or changed"):
        read_folder(folder)


def test_a_column_of_another_width_is_refused(folder):
    _, header = read_folder(folder)
    path = folder / "data" / "test-00000.parquet"
    table = pq.read_table(path)
    position = table.schema.get_field_index("audio")
    pq.write_table(table.set_column(position, "audio", table.column("vision")), path)
    with pytest.raises(CorpusError, match=r"`audio` is .*expected"):
        read_clips(folder, header)


def test_a_file_without_a_column_of_the_header_is_refused(folder):
    _, header = read_folder(folder)
    path = folder / "data" / "test-00000.parquet"
    pq.write_table(pq.read_table(path).drop(["audio"]), path)
    with pytest.raises(CorpusError, match="cannot be read as a part of the export"):
        read_clips(folder, header)
    path.write_bytes(b"no Parquet")
    with pytest.raises(CorpusError, match="cannot be read as a part of the export"):
        read_clips(folder, header)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="expected a folder that `semanticmac export-features`"):
        read_folder(tmp_path)


def test_a_folder_with_files_is_not_overwritten(layout, folder):
    chosen = select(layout, "mosi", "all", "all")
    with pytest.raises(CorpusError, match="is not empty"):
        write_folder(chosen, layout.manifest("mosi"), folder, "x", silent)


def test_the_mapped_cache_is_a_dataset_without_a_copy(layout):
    pytest.importorskip("datasets")
    streams = open_cached(layout, "mosi", "imagebind-huge+faces-clip-large")
    rows = [row for row in streams.manifest.rows if row.split == "train"]
    clips = ClipDataset(streams.manifest, streams.reader, rows)
    table = clips.to_datasets()
    assert table.column_names[-3:] == ["vision", "vision_2", "audio"]
    assert table["clip_id"][:] == ["clip 0", "clip 1"]  # the encoder refused clip 4
    mapped = {path.stat().st_size for path in layout.root.rglob("shard-*.arrow")}
    for name, part in (("vision", "vision"), ("audio", "audio")):
        chunk = table.data.column(name).chunk(0)
        numbers = chunk.values.flatten().to_numpy(zero_copy_only=True)
        assert not numbers.flags.owndata and numbers.nbytes < max(mapped)
        expected = getattr(streams.reader.get(rows[0].key), part)
        width = table.data.column(name).type.value_type.list_size
        read = np.array(table[0][name], np.float16)
        np.testing.assert_array_equal(read, expected[:, :width])
    before = pa.total_allocated_bytes()
    again = clips.to_datasets()
    assert again._fingerprint == table._fingerprint
    assert pa.total_allocated_bytes() - before < 4_096


def test_a_clip_that_lacks_the_modality_is_null_in_the_dataset(layout):
    pytest.importorskip("datasets")
    opened = open_cached(layout, "mosi", "imagebind-huge")
    clips = ClipDataset(opened.manifest, opened.reader, opened.manifest.rows)
    table = clips.to_datasets()
    assert [audio is None for audio in table["audio"]] == [False] * 3 + [True] + [False] * 3
    # Clips 0 and 6 have the same content.
    assert table[0]["vision"] == table[6]["vision"]
