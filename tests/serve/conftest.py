"""One server for the tests that need no settings of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.serving import RunningServer, running_server


@pytest.fixture(scope="session")
def clip(small_run: tuple[Path, Path]) -> Path:
    """A rendered clip with a face and a voice."""
    return sorted(small_run[1].rglob("*.mp4"))[0]


@pytest.fixture(scope="session")
def server(
    small_run: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with running_server(small_run[0], tmp_path_factory.mktemp("data"), "--rate", 1000) as running:
        yield running
