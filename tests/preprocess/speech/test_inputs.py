"""The files that a user names for `segment`."""

import pytest
from support.unreadable import make_unreadable

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.speech.inputs import find_videos


def test_a_subfolder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"")
    assert find_videos([tmp_path]) == [tmp_path / "a.mp4"]
    make_unreadable(tmp_path / "locked", monkeypatch)
    with pytest.raises(CorpusError, match=r"locked cannot be read: Permission denied"):
        find_videos([tmp_path])
