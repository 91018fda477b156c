"""The files below a folder, and the parts of it that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.notes import preview


@dataclass(frozen=True)
class FilesBelow:
    """The result of reading a folder with all its subfolders. Links are files here."""

    files: tuple[Path, ...]  # in order of their paths
    unreadable: Mapping[str, str]  # name below the folder → reason; a subfolder ends with "/"


def find_files(root: Path, hidden: bool = True) -> FilesBelow:
    """The files below root. Links to folders are not followed.

    hidden: with files and subfolders whose names begin with a dot. Raises CorpusError if root
    itself cannot be read.
    """
    files: list[Path] = []
    unreadable: dict[str, str] = {}

    def on_error(error: OSError) -> None:
        folder = Path(error.filename)
        if folder == root:
            raise CorpusError(f"{root} cannot be read: {error.strerror}") from None
        unreadable[f"{folder.relative_to(root).as_posix()}/"] = _reason(error)

    for folder, subfolders, names in os.walk(root, onerror=on_error):
        if not hidden:
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            names = [name for name in names if not name.startswith(".")]
        for name in [*subfolders, *names]:
            path = Path(folder, name)
            try:
                mode = path.lstat().st_mode
            except OSError as error:
                unreadable[path.relative_to(root).as_posix()] = _reason(error)
                continue
            if not stat.S_ISDIR(mode):
                files.append(path)
    return FilesBelow(tuple(sorted(files)), dict(sorted(unreadable.items())))


def all_files(root: Path, hidden: bool = True) -> tuple[Path, ...]:
    """Like find_files. Raises CorpusError if a subfolder or a file cannot be read."""
    found = find_files(root, hidden)
    if found.unreadable:
        name, reason = next(iter(found.unreadable.items()))
        raise CorpusError(
            f"{root / name} cannot be read: {reason}. Allow reading of {preview(found.unreadable)} "
            f"below {root}, or move it away"
        )
    return found.files


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
