"""What the command inspect shows of faces: a line for each detector, and a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.cache.face_records import NO_FACE_NOTE
from semanticmac.cache.face_store import FaceStore, face_folders
from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.core import counted


def faces_lines(manifest: Manifest, layout: CacheLayout) -> Iterator[str]:
    """One line for each finder that holds clips of the dataset."""
    for folder in face_folders(layout):
        with FaceStore(folder) as store:
            keys = [row.key for row in manifest.rows if row.key in store]
            without = sum(NO_FACE_NOTE in store.notes(key) for key in keys)
            fields = store.read_fields()
        if keys:
            yield (
                f"faces: {fields['detector']} {fields['sha256'][:12]}, frames of "
                f"{fields['face_px']} px: {counted(len(keys), 'clip')}, {without} without a face"
            )


def write_contact_sheet(manifest: Manifest, layout: CacheLayout, path: Path) -> str:
    """Writes the sheet of a dataset, and returns what it shows.

    The finder that holds most clips of the dataset is shown. Raises CacheIncomplete without faces.
    """
    from semanticmac.preprocess.faces.contact_sheet import (
        MOST_CLIPS,
        SheetClip,
        draw_sheet,
        least_clear,
    )

    folder = _fullest(manifest, layout)
    clips = []
    with FaceStore(folder) as faces, FrameStore(layout.frames) as frames:
        for row in manifest.rows:
            if row.key in faces:
                clips.append(SheetClip(row.clip_id, None, faces.get(row.key, with_crops=False)))
        keys = {row.clip_id: row.key for row in manifest.rows}
        shown = []
        for clip in least_clear(clips)[:MOST_CLIPS]:
            key = keys[clip.clip_id]
            shown.append(SheetClip(clip.clip_id, _frames(frames, key), faces.get(key)))
    picture_format = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    with atomic_write(path) as partial:
        draw_sheet(shown).save(partial, picture_format)
    return (
        f"{path}: {len(shown)} of {counted(len(clips), 'clip')}, the least clear choices first; "
        f"green is the chosen face ({folder.name})"
    )


def _frames(store: FrameStore, key: str) -> np.ndarray | None:
    try:
        return store.get(key).frames
    except (KeyError, RecordError):
        return None


def _fullest(manifest: Manifest, layout: CacheLayout) -> Path:
    best, most = None, 0
    for folder in face_folders(layout):
        with FaceStore(folder) as store:
            count = sum(row.key in store for row in manifest.rows)
        if count > most:
            best, most = folder, count
    if best is None:
        raise CacheIncomplete(
            f"{layout.root} holds no faces of {manifest.dataset}: `semanticmac cache "
            f"{manifest.corpus} --vision faces:DETECTOR.onnx:ENCODER` finds them"
        )
    return best
