"""Fixtures of the corpora: write a small download, and find the real label files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Write = Callable[[Mapping[str, str | bytes]], Path]
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below one folder and returns it. Another call adds files to the folder."""
    root = tmp_path / "corpus"

    def put(files: Mapping[str, str | bytes]) -> Path:
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return put


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """The folder of real data of that name, or a skip."""

    def find(name: str) -> Path:
        if not (SHARED / name).is_dir():
            pytest.skip(
                f"{SHARED / name} is absent: real label files are not part of the repository"
            )
        return SHARED / name

    return find
