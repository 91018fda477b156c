"""Imported features as streams of a dataset that was cached from raw videos.

Such a dataset has frames and its own embeddings; the features of a file become further streams of
the same clips, so that models on both can be compared. Clips are matched by their id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.stream_catalogue import open_writer, record_last
from semanticmac.core import ProgressFn, counted
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.features.records import FeatureClip, Features


@dataclass(frozen=True)
class AddedFeatures:
    """What was added to a dataset."""

    clips: int  # clips of the dataset
    failed: int  # of these, clips without features
    notes: tuple[str, ...]


def add_features(
    features: Features,
    manifest: Manifest,
    layout: CacheLayout,
    streams: Sequence[Fingerprint],
    progress: ProgressFn,
) -> AddedFeatures:
    """Fills streams with the features of the clips that are in the dataset.

    Texts, labels and splits stay those of the dataset. A clip without features is recorded in the
    streams, and left out where they are read. Raises CorpusError if no clip is in both.
    """
    items = {item.clip.clip_id: item for item in features.clips}
    known = {row.clip_id for row in manifest.rows}
    unknown = [clip_id for clip_id in items if clip_id not in known]
    if len(unknown) == len(items):
        raise CorpusError(
            f"no clip of {features.path} is in {manifest.dataset}: the file has "
            f"{preview(unknown)}, the dataset {preview([row.clip_id for row in manifest.rows])}. "
            "Give the import another --name to make a dataset of its own"
        )

    writers = [open_writer(layout, stream) for stream in streams]
    without = []
    for done, row in enumerate(manifest.rows, 1):
        item = items.get(row.clip_id)
        if item is None or (item.audio is None and item.vision is None):
            without.append(row.clip_id)
            for writer in writers:
                writer.fail(row.key, f"{features.path.name} has no features of it")
        else:
            _add(row.key, item, streams, writers)
        progress("importing clips", done, len(manifest.rows), len(without))
    for writer in writers:
        writer.finish()
    record_last(layout, manifest.dataset, streams)

    notes = [f"added to {manifest.dataset}, with its own texts, labels and splits"]
    if unknown:
        subject = counted(len(unknown), "clip")
        notes.append(f"not in {manifest.dataset}, and left out: {subject}, {preview(unknown)}")
    if without:
        notes.append(
            f"{counted(len(without), 'clip', 'have')} no features, left out where these are read: "
            f"{preview(without)}"
        )
    return AddedFeatures(len(manifest.rows), len(without), tuple(notes))


def _add(
    key: str, item: FeatureClip, streams: Sequence[Fingerprint], writers: Sequence[EmbeddingWriter]
) -> None:
    for stream, writer in zip(streams, writers, strict=True):
        rows = item.vision if stream.modality == "vision" else item.audio
        writer.add(key, None if rows is None else rows.astype(np.float16))
