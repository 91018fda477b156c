"""A folder that cannot be read, also for root: permissions do not stop that user."""

import os
from pathlib import Path

import pytest


def make_unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing the folder raises PermissionError from now on."""
    scandir = os.scandir

    def refuse(path: str = ".") -> object:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
