"""Manifest: clips, texts, labels and splits of one dataset, as one Parquet file.

It holds all that is known of a clip besides pixels and sound: labels, texts and splits change
without encoding again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from semanticmac.cache.checksummed import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.embedding_store import CacheIncomplete
from semanticmac.cache.keys import Fingerprint
from semanticmac.core import Task

_FORMAT = 3
_TARGET = pa.list_(pa.float64())  # as read from the label file, so that a second run sees no change
_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("key", pa.string()),
        ("video", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("split", pa.string()),
        ("frames", pa.int32()),
        ("duration_s", pa.float64()),
        ("has_vision", pa.bool_()),
        ("has_audio", pa.bool_()),
        ("label", _TARGET),
        ("label_text", _TARGET),
        ("label_audio", _TARGET),
        ("label_vision", _TARGET),
        ("dialogue", pa.string()),
        ("position", pa.int32()),
        ("speaker", pa.string()),
    ]
)


@dataclass(frozen=True)
class Row:
    """One cached clip."""

    clip_id: str
    key: str  # content key of its frames and embeddings
    video: str  # relative to the corpus root; never opened by stage 2
    start_s: float
    end_s: float | None
    text: str
    split: str | None
    frames: int  # F
    duration_s: float
    has_vision: bool
    has_audio: bool
    label: list[float] | None  # target vectors (core.py), None = not annotated
    label_text: list[float] | None = None
    label_audio: list[float] | None = None
    label_vision: list[float] | None = None
    dialogue: str | None = None
    position: int | None = None
    speaker: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A dataset as stage 2 sees it."""

    dataset: str  # its name in this cache
    task: Task | None  # None: nothing is labelled
    fingerprint: Fingerprint
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    # the corpus's own name, which settings and metric rules go by; empty = the same as `dataset`
    corpus: str = ""

    def __post_init__(self) -> None:
        if not self.corpus:
            object.__setattr__(self, "corpus", self.dataset)

    def split(self, name: str) -> tuple[Row, ...]:
        """The clips of one split, in the order of the corpus."""
        return tuple(row for row in self.rows if row.split == name)

    def write(self, path: Path) -> bool:
        """Writes the manifest; returns False, and touches nothing, where the same one stands there already."""
        if path.exists() and _same(path, self):
            return False
        about = {
            "format": _FORMAT,
            "dataset": self.dataset,
            "corpus": self.corpus,
            "task": None if self.task is None else asdict(self.task),
            "fingerprint": self.fingerprint.to_json(),
            "notes": list(self.notes),
            "seal": EMPTY_CHECKSUM,
        }
        table = pa.Table.from_pylist([asdict(row) for row in self.rows], schema=_SCHEMA)
        file = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({"semanticmac": json.dumps(about)}), file)
        write_checksummed(path, file.getvalue().to_pybytes())
        return True

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Raises CacheIncomplete where the file is damaged, or not a manifest that this version reads."""
        try:
            table = pq.read_table(pa.BufferReader(read_checksummed(path)))
        except ChecksumMismatch as error:
            command = f"semanticmac cache CORPUS --root DIR --name {path.parent.name}"
            raise CacheIncomplete(
                f"{error}, or an older version wrote it. Run `{command}` again (where its features were imported, "
                "`import-features`): it is written anew; what was decoded and encoded is kept."
            ) from None
        about = json.loads((table.schema.metadata or {}).get(b"semanticmac", b"{}"))
        if about.get("format") != _FORMAT:
            raise CacheIncomplete(
                f"{path} is no manifest of format {_FORMAT} (found {about.get('format')}): run `semanticmac cache`"
            )
        task = about["task"]
        names = [field.name for field in fields(Row)]
        return cls(
            dataset=about["dataset"],
            task=None if task is None else Task(**{**task, "classes": tuple(task["classes"])}),
            fingerprint=Fingerprint.from_json(about["fingerprint"]),
            rows=tuple(Row(**row) for row in table.select(names).to_pylist()),
            notes=tuple(about["notes"]),
            corpus=about["corpus"],
        )


def _same(path: Path, manifest: Manifest) -> bool:
    try:
        return Manifest.read(path) == manifest
    except CacheIncomplete:
        return False  # an older format or a damaged file: it is written anew
