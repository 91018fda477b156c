"""Which files of runs still name a clip, after it was removed from the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from semanticmac.run.folder import RunError, RunInfo

SUFFIXES = (".csv", ".html", ".json", ".jsonl", ".parquet", ".safetensors")
WEIGHTS = ("model.safetensors", "state.safetensors")


@dataclass(frozen=True)
class Mention:
    """One run that was trained on the dataset of the clip."""

    run: Path
    files: tuple[str, ...]  # that name the clip


def mentions(root: Path, datasets: Sequence[str], clip_ids: Sequence[str]) -> list[Mention]:
    """The runs below a folder that were trained on these datasets."""
    found = []
    for path in sorted(root.rglob("run.json")):
        folder = path.parent
        try:
            if RunInfo.read(folder).dataset not in datasets:
                continue
        except RunError:
            continue
        files = []
        for file in sorted(folder.rglob("*")):
            if file.suffix in SUFFIXES and file.name not in WEIGHTS and _names(file, clip_ids):
                files.append(file.relative_to(folder).as_posix())
        found.append(Mention(folder, tuple(files)))
    return found


def _names(file: Path, clip_ids: Sequence[str]) -> bool:
    """Whether a file names one of the clips."""
    if file.suffix != ".parquet":
        data = file.read_bytes()
        return any(clip_id.encode() in data for clip_id in clip_ids)
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException):
        return False
    if "clip_id" not in table.column_names:
        return False
    return not set(clip_ids).isdisjoint(table.column("clip_id").to_pylist())
