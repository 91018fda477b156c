"""FaceStore: the faces of clips by content key, for one way of finding them.

faces/FINDER/finder.json   detector and rule, for a person
faces/FINDER/data.mdb      one record of face_records.py for each clip
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.face_records import (
    FaceClip,
    FinderInfo,
    check_faces,
    read_notes,
    unpack_faces,
)
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.layout import CacheLayout


class FaceStore:
    """The faces of one finder. Open it once in a process."""

    def __init__(self, folder: Path, info: FinderInfo | None = None) -> None:
        """info: of a store to write, which is created. Raises what FrameStore raises."""
        self.folder = folder
        self._store = FrameStore(folder, writable=info is not None)
        if info is not None and not (folder / "finder.json").exists():
            write_text(folder / "finder.json", json.dumps(dict(info.fields), indent=1))

    def __enter__(self) -> FaceStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._store.__exit__(kind, error, traceback)

    def __contains__(self, key: str) -> bool:
        return key in self._store

    def get(self, key: str, with_crops: bool = True) -> FaceClip:
        """The faces of a clip. Raises KeyError if there are none, RecordError if bytes changed."""
        return unpack_faces(self._store.record(key), with_crops)

    def notes(self, key: str) -> tuple[str, ...]:
        """Remarks on the faces of a clip; its crops are not read. Raises KeyError, RecordError."""
        return read_notes(self._store.record(key))

    def record(self, key: str) -> bytes:
        """The record of a clip, unchecked. Raises KeyError if there is none."""
        return self._store.record(key)

    def check(self, key: str) -> None:
        """Raises KeyError if there is no such record, RecordError if a byte of it changed."""
        check_faces(self._store.record(key))

    def keys(self) -> Iterator[str]:
        """Every content key, sorted. One read transaction stays open. Raises StoreDamaged."""
        return self._store.keys()

    def put(self, key: str, record: bytes) -> None:
        """Writes the faces of one clip, completely or not at all."""
        self._store.put_many([(key, record)])

    def read_fields(self) -> dict[str, Any]:
        """What finder.json says of the detector and the rule."""
        fields: dict[str, Any] = json.loads((self.folder / "finder.json").read_text("utf-8"))
        return fields


def face_folders(layout: CacheLayout) -> Iterator[Path]:
    """The folder of every finder that has records in a cache, in the order of their names."""
    for path in sorted(layout.faces.glob("*/finder.json")):
        # Where a person deleted the records, the next build with that finder finds them again.
        if (path.parent / "data.mdb").exists():
            yield path.parent
