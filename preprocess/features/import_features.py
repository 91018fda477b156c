"""Import of extracted features into the same cache format as that of raw videos."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.keys import IMPORTED, Fingerprint, Sampling, file_digest, imported_key
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.records import Embeddings
from semanticmac.cache.verify import damaged_shards
from semanticmac.core import MODALITIES, ProgressFn, Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.features.npz_file import read_feature_arrays
from semanticmac.preprocess.features.pickle_file import read_feature_pickle
from semanticmac.preprocess.features.records import FeatureClip, Features

VERSION = 1  # raise it when the same file would be read as other numbers
READERS = {".pkl": read_feature_pickle, ".pickle": read_feature_pickle, ".npz": read_feature_arrays}
# corpus → where its task stands; features are of a corpus, so that its label range and its metrics
# are the right ones
TASKS = {
    "iemocap": ("iemocap", "TASK"),
    "meld": ("meld", "TASK"),
    "mosei": ("mosei", "SENTIMENT"),
    "mosei-emotion": ("mosei", "EMOTION"),
    "mosi": ("mosi", "TASK"),
    "mustard": ("mustard", "TASK"),
    "sims": ("sims", "TASK"),
    "simsv2": ("sims", "TASK"),
    "urfunny": ("urfunny", "TASK"),
}


@dataclass(frozen=True)
class ImportReport:
    """What one import did."""

    dataset: str
    clips: int  # in the file
    failed: int  # of them without any features
    audio_width: int
    vision_width: int
    notes: tuple[str, ...]


def task_of(corpus: str) -> Task:
    """The task of a corpus. Raises CorpusError for an unknown name."""
    if corpus not in TASKS:
        raise CorpusError(
            f"features of {corpus!r} cannot be imported: expected one of {', '.join(TASKS)}"
        )
    module, name = TASKS[corpus]
    task: Task = getattr(import_module(f"semanticmac.preprocess.corpora.{module}"), name)
    return task


def import_features(
    path: Path,
    corpus: str,
    layout: CacheLayout,
    progress: ProgressFn,
    name: str | None = None,
    zero_infinite: bool = False,
) -> ImportReport:
    """Caches the features of one file as the dataset `name` (default: the corpus).

    The narrower modality is padded with columns of zeros up to the wider, because a cache has one
    width. Nothing is lost: the linear map behind learns what to make of those columns. Raises
    CorpusError where the file is not what it should be, and where the cache holds that dataset made
    from raw videos.
    """
    task, name = task_of(corpus), name or corpus
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        problem = "is not a file" if reader else f"ends in {path.suffix or 'nothing'}"
        raise CorpusError(f"{path} {problem}; expected a feature file: {', '.join(READERS)}")
    _refuse_raw(layout, name)
    features = reader(path, task, zero_infinite)
    fingerprint = _fingerprint(features, name, zero_infinite)
    with layout.build_lock():
        kept, lost = _write(features, layout, fingerprint, progress)
        notes = (*_notes(features, fingerprint, zero_infinite), *features.notes)
        rows = tuple(_row(item, fingerprint, task, path) for item in kept)
        Manifest(name, task, fingerprint, rows, notes, corpus).write(layout.manifest(name))
        layout.mark_built(name)
        reason = "the file has neither audio nor vision of it (every number is 0)"
        write_failures(
            layout.failures(name),
            [Failure(item.clip.clip_id, str(path), reason, cached=False) for item in lost],
        )
    return ImportReport(
        name, len(features.clips), len(lost), features.audio_width, features.vision_width, notes
    )


def _refuse_raw(layout: CacheLayout, name: str) -> None:
    try:
        raw = (
            layout.manifest(name).exists()
            and not Manifest.read(layout.manifest(name)).fingerprint.imported
        )
    except CacheIncomplete:  # nobody can read what an import would hide; it is written anew
        return
    if raw:
        raise CorpusError(
            f"{layout.root} holds {name} made from raw videos, which an import would hide; "
            "give the import another --name, or another --cache"
        )


def _fingerprint(features: Features, name: str, zero_infinite: bool) -> Fingerprint:
    weights = file_digest(features.path)
    how = json.dumps(
        {"file": weights, "version": VERSION, "zero_infinite": zero_infinite}, sort_keys=True
    )
    return Fingerprint(
        encoder=f"imported-{name}",
        architecture=IMPORTED + hashlib.sha256(how.encode()).hexdigest(),
        weights=weights,
        trained=True,
        width=max(features.audio_width, features.vision_width),
        sampling=Sampling(),  # says nothing here: how the features were sampled is not in the file
    )


def _write(
    features: Features, layout: CacheLayout, fingerprint: Fingerprint, progress: ProgressFn
) -> tuple[list[FeatureClip], list[FeatureClip]]:
    """Writes the embeddings of all clips.

    Returns those that are cached now, and those that have none.
    """
    folder = layout.embeddings(fingerprint)
    writer = EmbeddingWriter(folder, fingerprint)
    writer.remove_shards([damage.shard for damage in damaged_shards(folder, progress)])
    kept: list[FeatureClip] = []
    lost: list[FeatureClip] = []
    for done, item in enumerate(features.clips, 1):
        if item.audio is None and item.vision is None:
            lost.append(item)
        else:
            vision, audio = (_wide(rows, fingerprint.width) for rows in (item.vision, item.audio))
            writer.add(
                imported_key(fingerprint.architecture, item.clip.clip_id), Embeddings(vision, audio)
            )
            kept.append(item)
        progress("importing clips", done, len(features.clips), len(lost))
    if not kept:
        raise CorpusError(f"{features.path}: no clip has audio or vision")
    writer.finish()
    return kept, lost


def _wide(rows: np.ndarray | None, width: int) -> np.ndarray | None:
    """(F, D) → (F, width) float16, the columns from D on zero."""
    return (
        None
        if rows is None
        else np.pad(rows.astype(np.float16), ((0, 0), (0, width - rows.shape[1])))
    )


def _row(item: FeatureClip, fingerprint: Fingerprint, task: Task, path: Path) -> Row:
    clip = item.clip
    columns = {"multimodal": "label", **{name: f"label_{name}" for name in MODALITIES}}
    targets = {column: task.encode(clip.labels.get(name)) for name, column in columns.items()}
    return Row(
        clip_id=clip.clip_id,
        key=imported_key(fingerprint.architecture, clip.clip_id),
        video=path.name,
        start_s=0.0,
        end_s=None,
        text=clip.text,
        split=clip.split,
        frames=max(len(rows) for rows in (item.audio, item.vision) if rows is not None),
        duration_s=0.0,  # unknown
        has_vision=item.vision is not None,
        has_audio=item.audio is not None,
        **targets,
        dialogue=clip.dialogue,
        position=clip.position,
        speaker=clip.speaker,
    )


def _notes(features: Features, fingerprint: Fingerprint, zero_infinite: bool) -> tuple[str, ...]:
    audio, vision = features.audio_width, features.vision_width
    notes = [
        f"features imported from {features.path.name} (SHA-256 {fingerprint.weights[:16]}…): "
        f"audio {audio or 'absent'}, vision {vision or 'absent'} numbers a row"
    ]
    if audio and vision and audio != vision:
        narrow = "audio" if audio < vision else "vision"
        notes.append(f"{narrow} is padded with columns of zeros to the width {max(audio, vision)}")
    if zero_infinite:
        notes.append("−inf in audio was read as 0")
    return tuple(notes)
