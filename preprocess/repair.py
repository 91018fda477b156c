"""The first step of a repair: damaged parts of a cache are removed, so that a build makes them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from semanticmac.cache.embedding_store import remove_shards
from semanticmac.cache.face_store import FaceStore, face_folders
from semanticmac.cache.frame_store import FrameStore, StoreDamaged
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.previous_format import pair_of
from semanticmac.cache.shard_format import read_index
from semanticmac.cache.verify import damaged_records, damaged_shards, embedding_folders
from semanticmac.core import ProgressFn
from semanticmac.preprocess.faces.finder import FinderSpec, open_finder


def drop_damaged(
    layout: CacheLayout,
    streams: Sequence[Fingerprint],
    finders: Sequence[FinderSpec | None],
    progress: ProgressFn,
) -> list[str]:
    """Removes the damaged parts that `verify` finds, so that the build makes them again.

    Datasets share clips and shards. BuildReport.incomplete names other datasets that then lack
    data. streams, finders: what this build fills. Returns one sentence for each other stream or
    finder that lost clips.
    """
    if layout.frames.exists():
        try:
            with FrameStore(layout.frames, writable=True) as store:
                for key in damaged_records(store, progress):
                    store.delete(key)
        except StoreDamaged:
            FrameStore.remove(layout.frames)
    return _drop_faces(layout, finders, progress) + _drop_shards(layout, streams, progress)


def _drop_faces(
    layout: CacheLayout, finders: Sequence[FinderSpec | None], progress: ProgressFn
) -> list[str]:
    filled = {open_finder(spec).info.name for spec in finders if spec is not None}
    sentences = []
    for folder in face_folders(layout):
        lost = _drop_records(folder, progress)
        if lost and folder.name not in filled:
            sentences.append(
                f"faces/{folder.name} lost {lost} with damaged records: run `cache --repair` with "
                "its --vision to find them again"
            )
    return sentences


def _drop_records(folder: Path, progress: ProgressFn) -> str:
    """Removes the damaged records of a finder, and says how many; empty = none."""
    try:
        with FaceStore(folder) as faces:
            damaged = damaged_records(faces, progress, step="checking faces")
    except StoreDamaged:
        shutil.rmtree(folder)
        return "all clips"
    if not damaged:
        return ""
    with FrameStore(folder, writable=True) as store:
        for key in damaged:
            store.delete(key)
    return f"{len(damaged)} clips"


def _drop_shards(
    layout: CacheLayout, streams: Sequence[Fingerprint], progress: ProgressFn
) -> list[str]:
    filled = set()
    for stream in streams:
        filled |= {layout.embeddings(stream), layout.embeddings(pair_of(stream))}
    sentences = []
    for folder in embedding_folders(layout):
        files = [damage.shard for damage in damaged_shards(folder, progress)]
        if not files:
            continue
        before = len(read_index(folder).keys)
        remove_shards(folder, files)
        if folder not in filled:
            lost = before - len(read_index(folder).keys)
            sentences.append(
                f"{folder.name} lost {lost} clips with damaged shards: run `cache` with its "
                "encoder to encode them again"
            )
    return sentences
