"""A hub that keeps its repositories in a folder, for tests without network."""

from __future__ import annotations

import shutil
from pathlib import Path

from semanticmac.hub import HubError, Kind


class FolderHub:
    """Repositories as folders below `root`: KIND/USER/NAME."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private: set[str] = set()

    def upload(self, folder: Path, repository: str, kind: Kind, private: bool) -> str:
        target = self.root / kind / repository
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(folder, target)
        if private:
            self.private.add(repository)
        return str(target)

    def download(self, repository: str, kind: Kind, revision: str | None) -> Path:
        source = self.root / kind / repository
        if not source.is_dir():
            raise HubError(f"the hub has no {repository}")
        return source
