"""DigestMemo: SHA-256 of raw files, remembered by path, size and time, so that a second run reads no video again."""

from __future__ import annotations

import json
from pathlib import Path

from semanticmac.cache.files import write_text
from semanticmac.cache.keys import file_digest


class DigestMemo:
    """A small JSON file; losing it costs reading the videos once more, nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[object]] = _read(path)  # absolute path → [size, mtime_ns, digest]
        self._changed = False

    def digest(self, file: Path) -> str:
        """SHA-256 of a file. Raises OSError where it cannot be read."""
        stat = file.stat()
        name, state = str(file.resolve()), [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(name)
        if known is not None and known[:2] == state:
            return str(known[2])
        digest = file_digest(file)
        self._known[name] = [*state, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        if self._changed:
            write_text(self._path, json.dumps(self._known))
            self._changed = False


def _read(path: Path) -> dict[str, list[object]]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
