"""A file from outside is read in a worker process: it can take neither memory nor hours."""

import pickle
import resource
from pathlib import Path

import pytest

from semanticmac.preprocess import isolated_read
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.mosi import TASK
from semanticmac.preprocess.corpora.pickles import read_plain_pickle
from semanticmac.preprocess.features.pickle_file import read_feature_pickle
from semanticmac.preprocess.isolated_read import read_isolated

DEPTH = 40  # levels of a nested list; each holds the next one twice


@pytest.fixture
def jobs(monkeypatch):
    """The module of jobs, importable here and, because workers take over sys.path, there."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import worker_jobs

    return worker_jobs


def nested_twice() -> list:
    """A pickle of 200 bytes. Unpickled it is small too, but copied it has 2 ** 40 items."""
    data: list = []
    for _ in range(DEPTH):
        data = [data, data]
    return data


def test_the_value_of_the_worker_is_returned(tmp_path, jobs):
    path = tmp_path / "file"
    path.touch()
    assert read_isolated(path, jobs.behave, "a word") == "a word"


def test_a_small_file_that_asks_for_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated_read, "BASE_MEMORY_BYTES", 300 << 20)
    path = tmp_path / "p.pkl"
    path.write_bytes(pickle.dumps({"train": {"id": nested_twice()}}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = r"p\.pkl is refused, .*more than the 300 MiB that a worker may use.* has \d+ bytes"
    with pytest.raises(CorpusError, match=message):
        read_feature_pickle(path, TASK, zero_infinite=False)
    path.write_bytes(pickle.dumps([nested_twice()]))
    with pytest.raises(CorpusError, match=message):
        read_plain_pickle(path, arrays=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB


def test_a_file_that_takes_too_long_is_refused(tmp_path, monkeypatch, jobs):
    monkeypatch.setattr(isolated_read, "BASE_TIME_S", 0.2)
    path = tmp_path / "file"
    path.touch()
    message = r"refused, because it cannot be read safely \(killed after 0\.2 s without an answer"
    with pytest.raises(CorpusError, match=message):
        read_isolated(path, jobs.behave, "hang")


def test_a_worker_that_dies_is_an_error_of_the_file(tmp_path, jobs):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(CorpusError, match=r"the worker process died: killed by SIGSEGV"):
        read_isolated(path, jobs.behave, "segfault")


def test_the_limits_grow_with_the_file(tmp_path, monkeypatch, jobs):
    limits: list[tuple[float, int]] = []
    small, large = tmp_path / "small", tmp_path / "large"
    small.touch()
    with large.open("wb") as file:
        file.truncate(4 << 30)
    recorded = isolated_read.run_isolated

    def run(*arguments, **options):
        limits.append((options["timeout_s"], options["memory_bytes"]))
        return recorded(*arguments, **options)

    monkeypatch.setattr(isolated_read, "run_isolated", run)
    for path in (small, large):
        read_isolated(path, jobs.behave, "a word")
    assert limits[0] == (60.0, 1 << 30)
    assert limits[1][0] > 4000
    assert limits[1][1] > 32 << 30


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"cannot read .*no\.pkl: No such file"):
        read_plain_pickle(tmp_path / "no.pkl")
