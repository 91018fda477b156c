import errno
import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from semanticmac.cache import frame_store as frames_module
from semanticmac.cache.frame_codec import RecordError, pack
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Sampling


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
        assert store.summary("a").frames == 2
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


def test_a_store_can_be_read_by_one_who_may_not_write_there(tmp_path, record, monkeypatch):
    with FrameStore(tmp_path / "frames", writable=True) as store:
        store.put_many([("a", record)])
    for path, mode in (
        ("frames/lock.mdb", 0o444),
        ("frames/data.mdb", 0o444),
        ("frames", 0o555),
        ("", 0o755),
    ):
        (tmp_path / path).chmod(mode)
    monkeypatch.chdir(tmp_path)  # the folders above are closed to others
    child = os.fork()
    if not child:
        status = 1
        try:
            if os.geteuid() == 0:  # whom no mode keeps out
                os.seteuid(65534)
            with FrameStore(Path("frames")) as store:
                store.check("a")
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (tmp_path / "frames").chmod(0o755)


_GROW = """
import sys
from pathlib import Path
from semanticmac.cache import frame_store as frames
frames._FIRST_MAP_BYTES = 1 << 20
with frames.FrameStore(Path(sys.argv[1]), writable=True) as store:
    for i in range(8):
        store.put_many([(f"late {i}", bytes(500_000))])
"""


def test_a_reader_goes_on_while_a_builder_lets_the_store_grow(tmp_path, record, monkeypatch):
    monkeypatch.setattr(frames_module, "_FIRST_MAP_BYTES", 1 << 20)
    with FrameStore(tmp_path, writable=True) as store:
        store.put_many([("early", record)])
    with FrameStore(tmp_path) as store:
        subprocess.run([sys.executable, "-c", _GROW, tmp_path], check=True)
        assert "late 7" in store
        assert len(store.record("late 7")) == 500_000
        store.check("early")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_want_of_room_names_the_store(tmp_path, record, code):
    class Full:
        def begin(self, **_):
            raise lmdb.DiskError(f"mdb_txn_commit: {os.strerror(code)}")

        def close(self):
            pass

    with FrameStore(tmp_path / "frames", writable=True) as store:
        store._env.close()
        store._env = Full()
        with pytest.raises(OSError, match=os.strerror(code)) as broadcast:
            store.put_many([("a", record)])
    assert (broadcast.value.errno, broadcast.value.filename) == (code, str(tmp_path / "frames"))


def test_a_process_without_address_space_says_what_is_missing(tmp_path):
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from semanticmac.cache.frame_store import FrameStore, StoreUnavailable\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try:\n"
        "    FrameStore(Path(sys.argv[1]), writable=True)\n"
        "except StoreUnavailable as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "frames"], capture_output=True, text=True
    )
    assert "cannot be mapped: LMDB needs 1,073,741,824 bytes" in done.stdout, done.stderr
