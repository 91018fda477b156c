"""The paths in a cache folder, its write lock, and the dataset that was built last.

frames/                         decoded clips (frame_store.py), shared by all datasets
faces/FINDER/                   faces of the clips, by one detector (face_store.py)
embeddings/FINGERPRINT/         one stream of embeddings (shard_format.py), for all datasets
datasets/NAME/manifest.parquet  texts, labels and splits of one dataset
datasets/NAME/streams.json      the streams that were cached last (stream_catalogue.py)
datasets/NAME/shared.json       the export that the dataset was imported from, if any
datasets/NAME/failures.jsonl    clips that are not in the cache, with the reason
digests.json                    SHA-256 of the raw files (file_hashes.py)
removal.json                    a removal of clips that was not finished (removal.py)
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.atomic_io import remove_partial_files
from semanticmac.cache.file_locks import try_lock, writable
from semanticmac.cache.keys import Fingerprint


class CacheIncomplete(Exception):
    """Stage 2 needs data that the cache lacks; the message names the command that builds it."""


class CacheNotWritable(Exception):
    """The cache folder cannot be written or locked; the message says why."""


class CacheBusy(Exception):
    """Another process is building in this cache folder."""


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder by name; none where it does not exist."""
    return sorted(path for path in folder.glob("*") if path.is_dir())


@dataclass(frozen=True)
class CacheLayout:
    """One cache folder."""

    root: Path

    @property
    def frames(self) -> Path:
        return self.root / "frames"

    @property
    def faces(self) -> Path:
        return self.root / "faces"

    @property
    def file_hashes(self) -> Path:
        return self.root / "digests.json"

    def embeddings(self, fingerprint: Fingerprint) -> Path:
        return self.root / "embeddings" / fingerprint.name

    def dataset(self, name: str) -> Path:
        return self.root / "datasets" / name

    def streams(self, name: str) -> Path:
        return self.dataset(name) / "streams.json"

    def manifest(self, name: str) -> Path:
        return self.dataset(name) / "manifest.parquet"

    def failures(self, name: str) -> Path:
        return self.dataset(name) / "failures.jsonl"

    def shared(self, name: str) -> Path:
        """Marks a dataset whose embeddings came from an export, without frames."""
        return self.dataset(name) / "shared.json"

    def datasets(self) -> list[str]:
        """Names of the cached datasets, the one built last first."""
        manifests = list(self.root.glob("datasets/*/manifest.parquet"))
        manifests.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [path.parent.name for path in manifests]

    def require(self, name: str | None, command: str = "") -> str:
        """`name`, or the dataset built last if it is None. Raises CacheIncomplete if not cached.

        command: the command for the message, because a name does not tell its corpus.
        """
        datasets = self.datasets()
        if name is None and datasets:
            return datasets[0]
        if name is not None and name in datasets:
            return name

        wanted, cached, hint = "a dataset", "nothing is cached there", "."
        if name is not None:
            wanted = f"the dataset {name!r}"
            similar = difflib.get_close_matches(name, datasets, n=2)
            if similar:
                hint = f"; did you mean {' or '.join(similar)}?"
        if datasets:
            cached = f"cached there: {', '.join(datasets)}"
        elif not command:
            command = "semanticmac cache DATASET --root DIR"
        if command:
            hint += f" Run `{command}` to cache it."
        raise CacheIncomplete(f"{self.root} does not hold {wanted} ({cached}){hint}")

    def mark_built(self, name: str) -> None:
        """Marks a dataset as the one built last."""
        os.utime(self.manifest(name))

    @contextmanager
    def build_lock(self) -> Iterator[None]:
        """Locks the cache for one builder. The lock of a killed process is released.

        Raises CacheBusy while another process holds the lock, and CacheNotWritable where the
        folder is read-only or its file system has no locks.
        """
        with writable(self.root, CacheNotWritable, "--cache"):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("a")
        with lock:
            with writable(self.root, CacheNotWritable, "--cache"):
                locked = try_lock(lock)
            if not locked:
                raise CacheBusy(
                    f"another `semanticmac cache` is building in {self.root}. "
                    "Wait until it is done, or give --cache another folder."
                )
            remove_partial_files(self.root)
            yield
