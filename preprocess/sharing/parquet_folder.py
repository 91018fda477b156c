"""An export as a folder of Parquet files that `datasets.load_dataset` and the hub read.

README.md                   the dataset card
data/SPLIT-00000.parquet    clips with their embeddings
semanticmac/manifest.parquet, semanticmac/header.json    what `import-features` needs besides
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semanticmac.cache.keys import file_digest
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.shard_format import MappedShard, embedding_type, to_column
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.sharing.card import NO_SPLIT, card, splits_of
from semanticmac.preprocess.sharing.header import Header, Selection

BATCH_CLIPS = 256
HEADER, MANIFEST = "semanticmac/header.json", "semanticmac/manifest.parquet"
_LABELS = ("label", "label_text", "label_audio", "label_vision")
_COLUMNS: Mapping[str, pa.DataType] = {
    "clip_id": pa.string(),
    "key": pa.string(),
    "row": pa.int32(),
    "split": pa.string(),
    "text": pa.string(),
    **dict.fromkeys(_LABELS, pa.list_(pa.float64())),
    "speaker": pa.string(),
    "dialogue": pa.string(),
    "position": pa.int32(),
    "frames": pa.int32(),
    "duration_s": pa.float64(),
}


def write_folder(
    selection: Selection, manifest_file: Path, folder: Path, repository: str, progress: ProgressFn
) -> None:
    """Writes the export into a new or empty folder. Raises CorpusError if it holds files."""
    if folder.exists() and any(folder.iterdir()):
        raise CorpusError(f"{folder} is not empty: give a new folder")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "semanticmac").mkdir(exist_ok=True)
    files = {}
    done = 0
    for split in splits_of(selection.manifest):
        path = folder / "data" / f"{split}-00000.parquet"
        with pq.ParquetWriter(path, _schema(selection.header)) as writer:
            for batch in _batches(selection, None if split == NO_SPLIT else split):
                writer.write_batch(batch)
                done += len(batch)
                progress("exporting clips", done, len(selection.manifest.rows), 0)
        files[path.relative_to(folder).as_posix()] = file_digest(path)
    shutil.copyfile(manifest_file, folder / MANIFEST)
    header = replace(selection.header, files=files)
    (folder / "README.md").write_text(card(selection.manifest, header, repository), "utf-8")
    (folder / HEADER).write_text(header.to_json(), "utf-8")


def is_export(folder: Path) -> bool:
    """Whether a folder is a whole export; its header is written last."""
    return (folder / HEADER).is_file()


def read_folder(folder: Path) -> tuple[Manifest, Header]:
    """The manifest and the header of an export. Raises CorpusError where bytes changed."""
    if not is_export(folder):
        raise CorpusError(
            f"{folder} has no {HEADER}: expected a folder that `semanticmac export-features` wrote"
        )
    header = Header.from_json((folder / HEADER).read_bytes(), folder / HEADER)
    for name, digest in header.files.items():
        path = folder / name
        if ".." in Path(name).parts or not path.is_file() or file_digest(path) != digest:
            raise CorpusError(f"{path} is missing or changed since it was exported: get it again")
    try:
        return Manifest.read(folder / MANIFEST), header
    except (CacheIncomplete, OSError) as error:
        raise CorpusError(f"{folder / MANIFEST} cannot be read: {error}") from None


def read_clips(folder: Path, header: Header) -> dict[str, dict[str, np.ndarray | None]]:
    """Column → content key → embeddings (F, E) float16. All of them are held in memory.

    Raises CorpusError for a file that is not as the header says.
    """
    clips: dict[str, dict[str, np.ndarray | None]] = {}
    for stream in header.streams:
        clips[stream.column] = {}
    for name in header.files:
        try:
            for batch in pq.ParquetFile(folder / name).iter_batches(BATCH_CLIPS):
                _add_batch(clips, batch, header, folder / name)
        except (OSError, KeyError, pa.ArrowException) as error:
            raise CorpusError(
                f"{folder / name} cannot be read as a part of the export: {error}"
            ) from None
    return clips


def _add_batch(
    clips: dict[str, dict[str, np.ndarray | None]],
    batch: pa.RecordBatch,
    header: Header,
    path: Path,
) -> None:
    """Adds the clips of some rows of a file to `clips`, by column and content key."""
    keys = batch.column("key").to_pylist()
    for stream in header.streams:
        wanted = embedding_type(stream.fingerprint.width)
        column = batch.column(stream.column)
        if column.type != wanted:
            raise CorpusError(f"{path}: `{stream.column}` is {column.type}, expected {wanted}")
        mapped = MappedShard(batch, stream.column)
        for row, key in enumerate(keys):
            clips[stream.column][key] = mapped.clip(row)


def _schema(header: Header) -> pa.Schema:
    fields = list(_COLUMNS.items())
    for stream in header.streams:
        fields.append((stream.column, embedding_type(stream.fingerprint.width)))
    return pa.schema(fields)


def _batches(selection: Selection, split: str | None) -> Iterator[pa.RecordBatch]:
    rows = [item for item in enumerate(selection.manifest.rows) if item[1].split == split]
    for first in range(0, len(rows), BATCH_CLIPS):
        yield _batch(selection, rows[first : first + BATCH_CLIPS])


def _batch(selection: Selection, rows: Sequence[tuple[int, Row]]) -> pa.RecordBatch:
    values: list[dict[str, Any]] = [{**asdict(row), "row": number} for number, row in rows]
    columns = []
    for name, kind in _COLUMNS.items():
        columns.append(pa.array([value[name] for value in values], kind))
    for stream in selection.header.streams:
        clips = [selection.embeddings(stream.column, row.key) for _, row in rows]
        columns.append(to_column(clips, stream.fingerprint.width))
    return pa.RecordBatch.from_arrays(columns, schema=_schema(selection.header))
