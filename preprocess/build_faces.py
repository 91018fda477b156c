"""The three steps of a build with face streams: decode all clips, find their faces, encode."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.frame_store import FrameStore
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import ClipStatus
from semanticmac.preprocess.faces.stored import StoredFaces
from semanticmac.preprocess.pipeline import Backend, Pipeline


def run_with_faces(
    statuses: Sequence[ClipStatus],
    faces: StoredFaces,
    store: FrameStore,
    writers: Sequence[EmbeddingWriter],
    backend: Backend,
    workers: int,
    progress: ProgressFn,
    *,
    find_all: bool = False,
) -> Pipeline:
    """Runs the steps one after the other: faces need the whole clip, and its video once more.

    find_all: False: finds faces only for clips that are to be encoded; True: for every clip.
    Returns the pipeline that encoded, with the number of decoded clips of the first step.
    """
    decoding = Pipeline(statuses, store, (), backend, progress)
    decoding.run()

    decoded = [status for status in statuses if status.state == "cached"]
    lacking = {}
    for status in decoded:
        for writer, finder in zip(writers, faces.finders, strict=True):
            if finder is not None and (find_all or status.key not in writer):
                lacking[status.key] = status.clip
    faces.find(lacking, store, workers, progress)

    encoding = Pipeline(decoded, store, writers, backend, progress, faces=faces)
    encoding.run()
    encoding.decoded += decoding.decoded
    return encoding
