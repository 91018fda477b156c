"""An export → the cache: the same streams and content keys, and the dataset if there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, keys_of
from semanticmac.cache.stream_catalogue import open_writer, record_last
from semanticmac.core import ProgressFn, counted
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.sharing.header import Header

# Column → content key → embeddings; None: the clip lacks the modality.
SharedClips = Mapping[str, Mapping[str, np.ndarray | None]]


@dataclass(frozen=True)
class Restored:
    """What an import put into the cache."""

    dataset: str
    clips: int
    streams: tuple[Fingerprint, ...]
    notes: tuple[str, ...]


def restore(
    manifest: Manifest,
    header: Header,
    clips: SharedClips,
    layout: CacheLayout,
    progress: ProgressFn,
    name: str | None = None,
) -> Restored:
    """Writes the streams of an export, and its manifest where the cache has no such dataset.

    A dataset of that name with the same content keys gets the streams and keeps its own labels.
    Raises CorpusError where it has other clips, where the export lacks a clip that it names, and
    for names that would lead out of the cache.
    """
    dataset = name or manifest.dataset
    manifest = replace(manifest, dataset=dataset, corpus=manifest.corpus)
    _check_names(manifest)
    _check_complete(manifest, header, clips)
    with layout.build_lock():
        added = _has_same_clips(layout, manifest)
        for number, stream in enumerate(header.streams, 1):
            writer = open_writer(layout, stream.fingerprint)
            for row in manifest.rows:
                if row.key in stream.missing:
                    writer.fail(row.key, stream.missing[row.key])
                else:
                    writer.add(row.key, clips[stream.column][row.key])
            writer.finish()
            progress("importing streams", number, len(header.streams), 0)
        # The first stream of each modality was the one cached last.
        record_last(layout, dataset, header.fingerprints[::-1])
        if not added:
            manifest.write(layout.manifest(dataset))
            write_text(layout.shared(dataset), header.to_json())
        layout.mark_built(dataset)
    notes = []
    if added:
        notes.append(f"added to {dataset}, with its own texts, labels and splits")
    elif not manifest.imported:
        notes.append(
            "the export has no frames: for another encoder, run `semanticmac cache` with the videos"
        )
    for stream in header.streams:
        if stream.missing:
            count = counted(len(stream.missing), "clip", "are")
            notes.append(f"{count} not in {stream.fingerprint.encoder}, as in the export")
    return Restored(dataset, len(manifest.rows), header.fingerprints, tuple(notes))


def _check_names(manifest: Manifest) -> None:
    """An export may come from a stranger, and these names become paths in the cache."""
    for name in (manifest.dataset, manifest.corpus):
        if not re.fullmatch(r"[\w-]+", name):
            raise CorpusError(
                f"the export names a dataset {name!r}: expected letters, digits, - and _"
            )
    for row in manifest.rows:
        if not re.fullmatch(r"[0-9a-f]{32}", row.key):
            raise CorpusError(
                f"the export gives the clip {row.clip_id!r} the key {row.key!r}: expected 32 hex "
                "digits"
            )


def _check_complete(manifest: Manifest, header: Header, clips: SharedClips) -> None:
    for stream in header.streams:
        held = clips[stream.column]
        for row in manifest.rows:
            if row.key in stream.missing:
                continue
            if row.key not in held:
                raise CorpusError(f"the export names the clip {row.clip_id} and does not hold it")
            embeddings = held[row.key]
            if embeddings is None:
                continue
            width = stream.fingerprint.width
            if embeddings.ndim != 2 or embeddings.shape[1] != width:
                raise CorpusError(
                    f"the embedding of {row.clip_id} in `{stream.column}` has the shape "
                    f"{embeddings.shape}, expected (rows, {width})"
                )
            if not np.isfinite(embeddings).all():
                raise CorpusError(
                    f"the embedding of {row.clip_id} in `{stream.column}` is not finite"
                )


def _has_same_clips(layout: CacheLayout, manifest: Manifest) -> bool:
    """Whether the cache has the dataset already. Raises CorpusError if with other clips."""
    path = layout.manifest(manifest.dataset)
    if not path.exists():
        return False
    try:
        present = Manifest.read(path)
    except CacheIncomplete:
        # The import replaces a manifest that nobody can read.
        return False
    mine, theirs = keys_of(present.rows), keys_of(manifest.rows)
    if mine == theirs:
        return True
    raise CorpusError(
        f"{layout.root} has a dataset {manifest.dataset} with other clips ({len(mine)}, of which "
        f"{len(mine & theirs)} are among the {len(theirs)} of the export): give another --name"
    )
