"""The error for a dataset that is not cached, and the lock of a cache."""

import errno
import fcntl
from pathlib import Path

import pytest

from semanticmac.cache.layout import CacheIncomplete, CacheLayout, CacheNotWritable


@pytest.fixture
def layout(tmp_path):
    """A cache that holds demo and mosi-own, in name alone."""
    layout = CacheLayout(tmp_path)
    for name in ("demo", "mosi-own"):
        layout.dataset(name).mkdir(parents=True)
        layout.manifest(name).touch()
    return layout


def said(layout, *asked):
    with pytest.raises(CacheIncomplete) as refused:
        layout.require(*asked)
    return str(refused.value)


def test_a_dataset_that_is_not_cached_is_told_the_nearest_before_any_command(layout, tmp_path):
    assert layout.require("demo") == "demo"
    assert said(layout, "dmeo").endswith("; did you mean demo?")
    far = said(layout, "quite else")
    assert "cached there: " in far and "did you mean" not in far and "Run" not in far
    both = said(layout, "mosi", "semanticmac cache mosi --root DIR")
    assert both.endswith(
        "; did you mean mosi-own? Run `semanticmac cache mosi --root DIR` to cache it."
    )
    empty = CacheLayout(tmp_path / "none")
    assert "(nothing is cached there). Run `semanticmac cache DATASET --root DIR`" in said(
        empty, None
    )


def test_a_cache_on_a_file_system_without_locks_says_so(tmp_path, monkeypatch):
    for code in (errno.ENOLCK, errno.EOPNOTSUPP):

        def refuse(*_, code=code):
            raise OSError(code, "no locks")

        monkeypatch.setattr(fcntl, "flock", refuse)
        with (
            pytest.raises(CacheNotWritable, match=r"does not support locks \(NFS\?\)"),
            CacheLayout(tmp_path).build_lock(),
        ):
            pass


def test_a_read_only_cache_says_so(tmp_path, monkeypatch):
    for code in (errno.EACCES, errno.EROFS):

        def refuse(*_, code=code, **__):
            raise OSError(code, "read-only")

        monkeypatch.setattr(Path, "open", refuse)
        with (
            pytest.raises(CacheNotWritable, match=r"cannot be written \(read-only\): give --cache"),
            CacheLayout(tmp_path).build_lock(),
        ):
            pass
