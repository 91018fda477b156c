"""A folder of labelled clips, settings of a model that trains on it, and the files of its cache."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SMALL = ["d_model=16", "heads=2", "perceiver_layers=1", "sgfi_layers=1", "epochs=1", "batch_size=8"]
NO_TEXT = [*SMALL, 'modalities=["audio", "vision"]']


def settings(words: list[str]) -> list[str]:
    """Each NAME=VALUE as an option of the command line."""
    return [part for word in words for part in ("--set", word)]


def failures(folder: Path, name: str = "folder") -> dict[str, dict[str, Any]]:
    """Id of a clip → its line in failures.jsonl."""
    lines = (folder / f"data/cache/datasets/{name}/failures.jsonl").read_text().splitlines()
    return {line["clip_id"]: line for line in map(json.loads, lines)}


def contents(folder: Path) -> dict[str, bytes]:
    """Name → bytes of every file of a cache, except the checksums of the raw files."""
    files = [*folder.rglob("*.arrow"), *folder.rglob("*.json"), *folder.rglob("*.parquet")]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if file.name != "digests.json"
    }


def write_clips(root: Path, film: Callable[..., Path]) -> Path:
    """Twelve clips of 1 to 2.1 s in three splits; one has no audio and one no frames."""
    rows = []
    for i in range(12):
        name = f"clip{i:02d}.mp4"
        film(root / name, 1.0 + 0.1 * i, picture=i != 4, sound=i != 5)
        split = "train" if i < 6 else "valid" if i < 9 else "test"
        rows.append(
            {
                "clip_id": f"{i:02d}",
                "file": name,
                "text": f"line {i}",
                "label": (i % 7) - 3,
                "split": split,
            }
        )
    with (root / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root
