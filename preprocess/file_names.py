"""File names that look the same and are written in different Unicode forms."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path


def existing_spelling(root: Path, relative: str) -> Path:
    """The file below root that has this name in any Unicode form; root/relative if there is none.

    A Mac writes `é` as two characters (NFD), most tables have one (NFC). Each part of the path is
    compared after normalisation, and only where the name as it is written does not exist.
    """
    path = root / relative
    if relative.isascii() or path.exists():
        return path
    folder = root
    for part in Path(relative).parts:
        exact = folder / part
        if exact.exists():
            folder = exact
            continue
        if not folder.is_dir():
            return path
        changed_ns = folder.stat().st_mtime_ns
        spelling = _spellings(folder, changed_ns).get(_normal_form(part))
        if spelling is None:
            return path
        folder = folder / spelling
    return folder


@lru_cache(maxsize=64)
def _spellings(folder: Path, changed_ns: int) -> dict[str, str]:
    """Normalised name → name on disk, as long as the folder does not change."""
    try:
        return {_normal_form(path.name): path.name for path in folder.iterdir()}
    except OSError:
        return {}


def _normal_form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
