import lmdb
import pytest

from semanticmac.cache import frames as frames_module
from semanticmac.cache.frames import FrameStore
from semanticmac.cache.keys import Sampling
from semanticmac.cache.raw import RecordError, pack


@pytest.fixture
def record(raw) -> bytes:
    return pack(raw(frames=2), Sampling())


def test_what_is_put_is_there_after_reopening(tmp_path, record):
    with FrameStore(tmp_path / "frames", writable=True) as store:
        store.put_many([("b", record), ("a", record)])
    with FrameStore(tmp_path / "frames") as store:
        assert list(store.keys()) == ["a", "b"]
        assert "a" in store
        assert "c" not in store
        assert store.get("a").frames.shape == (2, 224, 300, 3)
        assert store.about("a").frames == 2
        store.check("a")


def test_the_store_grows_beyond_its_first_size(tmp_path, record, monkeypatch):
    monkeypatch.setattr(frames_module, "_FIRST_MAP_BYTES", 1 << 18)
    assert len(record) > 1 << 17
    with FrameStore(tmp_path / "frames", writable=True) as store:
        for i in range(12):
            store.put_many([(f"key-{i}", record), (f"other-{i}", record)])
        assert len(store) == 24
        for key in list(store.keys()):
            store.check(key)


def test_a_store_that_was_never_written_says_how_to_write_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="semanticmac cache DATASET"):
        FrameStore(tmp_path / "frames")


def test_a_missing_and_a_damaged_record_are_told_apart(tmp_path, record):
    with FrameStore(tmp_path / "frames", writable=True) as store:
        store.put_many([("a", record[:-1] + b"?")])
        with pytest.raises(KeyError, match="no frames are stored"):
            store.check("b")
        with pytest.raises(RecordError, match="CRC-32"):
            store.get("a")
        store.delete("a")
        assert len(store) == 0


def test_a_batch_that_fails_leaves_nothing_behind(tmp_path, record):
    with FrameStore(tmp_path / "frames", writable=True) as store:
        with pytest.raises(lmdb.BadValsizeError):
            store.put_many([("a", record), ("", record)])
        assert len(store) == 0
