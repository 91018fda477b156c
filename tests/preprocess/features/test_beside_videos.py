"""Features are added to a dataset of raw videos, clip by clip."""

from dataclasses import replace

import numpy as np
import pytest
from support.feature_files import AUDIO, VISION, feature_pickle, import_file, number, save_pickle
from support.streams import StreamWriters, streams_of

from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import open_cached
from semanticmac.cache.records import Embeddings
from semanticmac.cache.stream_catalogue import record_last
from semanticmac.cache.verify import verify
from semanticmac.preprocess.clip import CorpusError

ENCODED = streams_of("imagebind-tiny", vision=4, audio=4)


@pytest.fixture
def layout(tmp_path) -> CacheLayout:
    """mosi from raw videos: eleven of the file's twelve clips, and one that it lacks."""
    layout = CacheLayout(tmp_path / "cache")
    writers = StreamWriters(layout, ENCODED)
    rows = []
    for clip in (*range(11), 99):
        key = f"{clip:032x}"
        ones = np.ones((2, 4), np.float16)
        writers.add(key, Embeddings(ones, ones))
        name = f"-v_{clip // 3}_{clip % 3}"
        rows.append(Row(name, key, "", 0.0, None, "own", "train", 2, 1.0, True, True, [1.0]))
    writers.finish()
    record_last(layout, "mosi", ENCODED.all)
    Manifest("mosi", None, Sampling(), tuple(rows)).write(layout.manifest("mosi"))
    return layout


def test_features_become_streams_of_the_same_clips(layout, tmp_path):
    path = save_pickle(feature_pickle(), tmp_path)
    before = layout.manifest("mosi").read_bytes()
    report, _ = import_file(path)
    assert (report.clips, report.failed) == (12, 1)
    notes = "; ".join(report.notes)
    assert "added to mosi, with its own texts, labels and splits" in notes
    assert "not in mosi, and left out: 1 clip, -v_3_2" in notes
    assert "1 clip has no features, left out where these are read: -v_33_0" in notes
    assert layout.manifest("mosi").read_bytes() == before

    opened = open_cached(layout, "mosi")
    assert (opened.reader.widths.vision, opened.reader.widths.audio) == (VISION, AUDIO)
    assert opened.streams.vision[0].encoder == f"imported-{path.stem}" and opened.streams.imported
    assert len(opened.manifest.rows) == 11 and "has no features of it" in opened.notes[0]
    clip = opened.reader.get(opened.manifest.rows[4].key)
    assert clip.audio[1, 2] == number(4, 1, 2) and clip.vision.shape == (1, VISION)
    encoded = open_cached(layout, "mosi", "imagebind-tiny", "imagebind-tiny")
    assert len(encoded.manifest.rows) == 12 and encoded.streams == ENCODED


def test_a_file_of_other_clips_is_refused(layout, tmp_path):
    manifest = Manifest.read(layout.manifest("mosi"))
    others = [replace(row, clip_id=f"other {row.clip_id}") for row in manifest.rows]
    replace(manifest, rows=tuple(others)).write(layout.manifest("mosi"))
    path = save_pickle(feature_pickle(), tmp_path)
    with pytest.raises(CorpusError, match=r"no clip of .* is in mosi: the file has -v_0_0"):
        import_file(path)


def test_a_second_import_writes_nothing(layout, tmp_path):
    path = save_pickle(feature_pickle(), tmp_path)
    import_file(path)
    files = [file for file in layout.root.rglob("*") if file.is_file() and file.name != ".lock"]
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}
    import_file(path)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files} == before
    damage = verify(layout, Manifest.read(layout.manifest("mosi")), lambda *_: None)
    assert [line for line in damage if "frames" not in line] == []
