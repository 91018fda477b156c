"""A pickle from a stranger is read as data and never run."""

import os
import pickle

import numpy as np
import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.pickles import read_plain_pickle


class Attack:
    """Creates a file when it is unpickled by the standard library."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol_is_read(tmp_path, protocol):
    data = {1: ["a", 2.5, None, True], "é": ({"x"}, frozenset({3})), "b": {"c": [[0, 1]]}}
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(data, protocol))
    assert read_plain_pickle(tmp_path / "p.pkl") == data


@pytest.mark.parametrize("arrays", [False, True])
def test_code_in_a_pickle_is_named_and_not_run(tmp_path, arrays):
    mark = tmp_path / "mark"
    (tmp_path / "p.pkl").write_bytes(pickle.dumps({"a": Attack(mark)}))
    with pytest.raises(CorpusError, match=r"p\.pkl is refused: it asks for (posix|nt)\.system"):
        read_plain_pickle(tmp_path / "p.pkl", arrays)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["eval", "getattr", "__import__", "open"])
def test_dangerous_builtins_are_refused_too(tmp_path, name):
    (tmp_path / "p.pkl").write_bytes(f"cbuiltins\n{name}\n(S'1'\ntR.".encode())
    with pytest.raises(CorpusError, match=rf"refused: it asks for builtins\.{name}"):
        read_plain_pickle(tmp_path / "p.pkl")


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("dtype", ["<i8", "<i4", ">i8"])
def test_rows_of_whole_numbers_are_read_where_asked_for(tmp_path, protocol, dtype):
    rows = [(np.arange(3, dtype=dtype), np.array([7, -1], dtype=dtype))]
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(rows, protocol))
    assert read_plain_pickle(tmp_path / "p.pkl", arrays=True) == [[[0, 1, 2], [7, -1]]]
    with pytest.raises(CorpusError, match=r"refused: it asks for numpy"):
        read_plain_pickle(tmp_path / "p.pkl")


@pytest.mark.parametrize(
    "array", [np.zeros(2), np.zeros((2, 2), dtype="<i8"), np.array([Attack("x")])]
)
def test_other_arrays_are_refused(tmp_path, array):
    (tmp_path / "p.pkl").write_bytes(pickle.dumps([array]))
    with pytest.raises(CorpusError, match="refused"):
        read_plain_pickle(tmp_path / "p.pkl", arrays=True)


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps(["a" * 100])[:-20], b"\x80\x04."]
)
def test_a_damaged_pickle_is_a_corpus_error(tmp_path, content):
    (tmp_path / "p.pkl").write_bytes(content)
    with pytest.raises(CorpusError, match=r"p\.pkl is "):
        read_plain_pickle(tmp_path / "p.pkl")
