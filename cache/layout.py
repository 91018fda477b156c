"""Where everything lies in a cache folder, and who may write to it.

frames/                        FrameStore, shared by all datasets
embeddings/FINGERPRINT/        shards, shared by all datasets
datasets/NAME/manifest.parquet texts, labels, splits of one dataset
datasets/NAME/failures.jsonl   clips that are not in the cache, and why
digests.json                   SHA-256 of the raw files, by path, size and time, so that none is read twice
"""

from __future__ import annotations

import difflib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.atomic_io import remove_partial_files
from semanticmac.cache.embedding_store import CacheIncomplete
from semanticmac.cache.keys import Fingerprint, Sampling


class CacheBusy(Exception):
    """Another process is building in this cache folder."""


@dataclass(frozen=True)
class CacheLayout:
    """One cache folder."""

    root: Path

    @property
    def frames(self) -> Path:
        return self.root / "frames"

    @property
    def digests(self) -> Path:
        return self.root / "digests.json"

    def embeddings(self, fingerprint: Fingerprint) -> Path:
        return self.root / "embeddings" / fingerprint.name

    def dataset(self, name: str) -> Path:
        return self.root / "datasets" / name

    def manifest(self, name: str) -> Path:
        return self.dataset(name) / "manifest.parquet"

    def failures(self, name: str) -> Path:
        return self.dataset(name) / "failures.jsonl"

    def datasets(self) -> list[str]:
        """Names of the datasets that have a manifest, the one built last first."""
        found = self.root.glob("datasets/*/manifest.parquet")
        return [
            path.parent.name
            for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        ]

    def require(self, name: str | None, command: str = "") -> str:
        """The dataset asked for, or the one built last. Raises CacheIncomplete where it is not cached.

        command: what caches it, for the message; a name alone does not tell of what corpus it is.
        """
        datasets = self.datasets()
        if name is None and datasets:
            return datasets[0]
        if name is None or name not in datasets:
            near = difflib.get_close_matches(name, datasets, n=2) if name else []
            hint = f"; did you mean {' or '.join(near)}?" if near else "."
            cached = (
                f"cached there: {', '.join(datasets)}" if datasets else "nothing is cached there"
            )
            asked = f"the dataset {name!r}" if name else "a dataset"
            command = command or ("" if datasets else "semanticmac cache DATASET --root DIR")
            run = f" Run `{command}` to cache it." if command else ""
            raise CacheIncomplete(f"{self.root} does not hold {asked} ({cached}){hint}{run}")
        return name

    def built(self, name: str) -> None:
        """Marks a dataset as the one built last."""
        os.utime(self.manifest(name))

    @contextmanager
    def building(self) -> Iterator[None]:
        """Holds the cache for one builder; a killed one lets go.

        Raises CacheBusy where another one holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CacheBusy(
                    f"another `semanticmac cache` is building in {self.root}. "
                    "Wait until it is done, or give --cache another folder."
                ) from None
            remove_partial_files(self.root)
            yield


def cache_command(dataset: str, corpus: str, made: Fingerprint, *more: str) -> str:
    """What a person types to make a dataset's cache again.

    DIR and FILE stand for paths, which no cache remembers.
    """
    name = [] if dataset == corpus else ["--name", dataset]
    if made.imported:
        return " ".join(["semanticmac import-features FILE --dataset", corpus, *name])
    plain = made.encoder.partition("@")[0]
    encoder = made.encoder if plain in ("imagebind-tiny", "imagebind-huge") else "FILE"
    picture = (
        [] if made.sampling.picture == Sampling().picture else ["--picture", made.sampling.picture]
    )
    return " ".join(
        ["semanticmac cache", corpus, "--root DIR", *name, "--encoder", encoder, *picture, *more]
    )
