"""Folders of version 0.1, with vision and audio in one shard, are read as two streams in place."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.opening import open_cached
from semanticmac.cache.stream_catalogue import cached_streams, last_streams, open_writer
from semanticmac.cache.streams import Streams

OLD = Path(__file__).parents[1] / "data" / "version-0.1" / "films-cache"


@pytest.fixture
def layout(tmp_path: Path) -> CacheLayout:
    return CacheLayout(Path(shutil.copytree(OLD, tmp_path / "cache")))


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_both_streams_are_read_where_they_are(layout: CacheLayout) -> None:
    [folder] = (layout.root / "embeddings").iterdir()
    before = files(layout.root)
    pair = Fingerprint.read(folder)
    assert pair.modality == "both" and pair.name == folder.name
    assert last_streams(layout, "folder") == Streams.of_pair(pair)

    opened = open_cached(layout, "folder")
    batch = pa.ipc.open_file(pa.memory_map(str(folder / "shard-00000.arrow"))).get_batch(0)
    for row, key in enumerate(batch.column("key").to_pylist()):
        clip = opened.reader.get(key)
        for name, rows in (("vision", clip.vision), ("audio", clip.audio)):
            expected = batch.column(name)[row].as_py()
            assert (rows is None) == (expected is None)
            if rows is not None:
                np.testing.assert_array_equal(rows, np.array(expected, np.float16))
    assert files(layout.root) == before


def test_its_streams_are_listed_and_share_its_size(layout: CacheLayout) -> None:
    [shard] = layout.root.glob("embeddings/*/shard-*.arrow")
    listed = cached_streams(layout)
    assert [stream.fingerprint.modality for stream in listed] == ["audio", "vision"]
    assert [stream.bytes for stream in listed] == [shard.stat().st_size // 2] * 2


def test_its_clips_are_not_added_again(layout: CacheLayout) -> None:
    streams = last_streams(layout, "folder")
    key = sorted(cached_streams(layout)[0].keys)[0]
    before = files(layout.root)
    writer = open_writer(layout, streams.vision[0])
    assert key in writer
    writer.keep(key)
    writer.finish()
    assert files(layout.root) == before

    rows = np.ones((2, streams.widths.vision), np.float16)
    writer.add("new", rows)
    writer.finish()
    assert layout.embeddings(streams.vision[0]).name.startswith("vision-imagebind-tiny-")
    after = files(layout.root)
    assert {path: after[path] for path in before} == before
    [stream] = [each for each in cached_streams(layout) if each.fingerprint == streams.vision[0]]
    assert {key, "new"} <= stream.keys
