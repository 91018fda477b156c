"""The space that tests of sweeps draw from."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sweeps import SPACE


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return path
