"""The cache that the tests of this folder export."""

from pathlib import Path

import pytest
from support.shared_cache import fill_cache

from semanticmac.cache.layout import CacheLayout


@pytest.fixture
def layout(tmp_path: Path) -> CacheLayout:
    """Two vision streams and one of audio, in three splits (support/shared_cache.py)."""
    return fill_cache(tmp_path / "cache")
