"""Manifest: clips, texts, labels and splits of one dataset, as one Parquet file.

It holds everything about a clip except frames, audio and embeddings. A change of labels, texts or
splits therefore needs no encoding, and another encoder does not change the manifest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from semanticmac.cache.atomic_io import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.previous_format import MANIFEST_FORMAT, header_pair
from semanticmac.core import Task

_FORMAT = 4
# Labels keep the precision of the label file, so that a second build sees no change.
_TARGET = pa.list_(pa.float64())
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
    video: str  # path below the root of the corpus; stage 2 never opens it
    start_s: float
    end_s: float | None
    text: str
    split: str | None
    frames: int  # F, rows of its embeddings
    duration_s: float
    has_vision: bool
    has_audio: bool
    # target vector (core.Task), None = not annotated; a single score may be NaN
    label: list[float] | None
    label_text: list[float] | None = None
    label_audio: list[float] | None = None
    label_vision: list[float] | None = None
    dialogue: str | None = None
    position: int | None = None
    speaker: str | None = None


@dataclass(frozen=True)
class Manifest:
    """One cached dataset."""

    dataset: str  # its name in this cache
    task: Task | None  # None: no clip has a label
    # How the videos were sampled; None: the features of the clips were imported.
    sampling: Sampling | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    # name of the corpus, which selects settings and metric rules; empty = the same as `dataset`
    corpus: str = ""

    def __post_init__(self) -> None:
        if not self.corpus:
            object.__setattr__(self, "corpus", self.dataset)

    def split(self, name: str) -> tuple[Row, ...]:
        """The clips of one split, in the order of the corpus."""
        return tuple(row for row in self.rows if row.split == name)

    def labelled(self, split: str) -> list[Row]:
        """The clips of one split that have a label."""
        return [row for row in self.split(split) if row.label is not None]

    def write(self, path: Path) -> bool:
        """Writes the manifest. Returns False, without writing, if the file holds the same one."""
        if path.exists() and _holds(path, self):
            return False
        header = {
            "format": _FORMAT,
            "dataset": self.dataset,
            "corpus": self.corpus,
            "task": None if self.task is None else self.task.to_dict(),
            "sampling": None if self.sampling is None else self.sampling.to_dict(),
            "notes": list(self.notes),
            "seal": EMPTY_CHECKSUM,
        }
        table = pa.Table.from_pylist([asdict(row) for row in self.rows], schema=_SCHEMA)
        file = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({"semanticmac": json.dumps(header)}), file)
        write_checksummed(path, file.getvalue().to_pybytes())
        return True

    @property
    def imported(self) -> bool:
        """True if the features of all clips were imported, so that there are no frames."""
        return self.sampling is None

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads a manifest. Raises CacheIncomplete where it is damaged or of another format."""
        try:
            table = pq.read_table(pa.BufferReader(read_checksummed(path)))
        except ChecksumMismatch as error:
            command = f"semanticmac cache CORPUS --root DIR --name {path.parent.name}"
            raise CacheIncomplete(
                f"{error}, or an older version wrote it. Run `{command}` again (or "
                "`import-features` if its features were imported): it writes the manifest again "
                "and keeps all frames and embeddings."
            ) from None
        header = json.loads((table.schema.metadata or {}).get(b"semanticmac", b"{}"))
        if header.get("format") not in (MANIFEST_FORMAT, _FORMAT):
            raise CacheIncomplete(
                f"{path} has format {header.get('format')}, but this version reads format "
                f"{_FORMAT}: run `semanticmac cache` again"
            )
        task = header["task"]
        if task is not None:
            task = Task.from_dict(task)
        names = [field.name for field in fields(Row)]
        records = table.select(names).to_pylist()
        if task is not None and task.kind == "regression" and task.width > 1:
            _share_nan(records)
        return cls(
            dataset=header["dataset"],
            task=task,
            sampling=_sampling(header),
            rows=tuple(Row(**record) for record in records),
            notes=tuple(header["notes"]),
            corpus=header["corpus"],
        )


def keys_of(rows: Iterable[Row]) -> set[str]:
    """The content keys of clips."""
    return {row.key for row in rows}


def _share_nan(records: list[dict[str, Any]]) -> None:
    """Makes every score that is not annotated `math.nan` itself, so that equal rows are equal."""
    for record in records:
        for column in ("label", "label_text", "label_audio", "label_vision"):
            for place, score in enumerate(record[column] or ()):
                if math.isnan(score):
                    record[column][place] = math.nan


def _sampling(header: dict[str, Any]) -> Sampling | None:
    if header["format"] == MANIFEST_FORMAT:
        pair = header_pair(header)
        return None if pair.imported else pair.sampling
    fields = header["sampling"]
    return None if fields is None else Sampling.from_dict(fields)


def _holds(path: Path, manifest: Manifest) -> bool:
    try:
        return Manifest.read(path) == manifest
    except CacheIncomplete:
        # An older or a damaged file is replaced.
        return False
