"""Imports extracted features into a cache of the same format as that of raw videos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from semanticmac.cache.failures import Failure, write_failures
from semanticmac.cache.keys import IMPORTED, Fingerprint, Sampling, file_digest, imported_key
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import open_writer, record_last
from semanticmac.cache.verify import damaged_shards
from semanticmac.core import MODALITIES, FrameModality, ProgressFn, Task
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.features.beside_videos import add_features
from semanticmac.preprocess.features.npz_file import read_feature_arrays
from semanticmac.preprocess.features.pickle_file import read_feature_pickle
from semanticmac.preprocess.features.records import FeatureClip, Features

# Raise it when a change here reads other numbers from the same file.
VERSION = 1
READERS = {".pkl": read_feature_pickle, ".pickle": read_feature_pickle, ".npz": read_feature_arrays}
# Corpus → the module below preprocess/corpora and the name of its task there. Features belong to a
# corpus because the corpus defines the label range and the metrics.
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
    clips: int  # clips in the file, or in the dataset that they were added to
    failed: int  # clips without any features
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

    Audio and vision become two streams of their own widths. If the cache holds a dataset of that
    name that was made from raw videos, they are added to it (beside_videos.py). Raises CorpusError
    for a wrong file.
    """
    task = task_of(corpus)
    name = name or corpus
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise _wrong_file(path, f"ends in {path.suffix or 'nothing'}")
    if not path.is_file():
        raise _wrong_file(path, "is not a file")

    raw = _raw_dataset(layout, name)
    features = reader(path, task, zero_infinite)
    # Several files may be added to one dataset, so their streams have the names of the files.
    streams = _streams(features, name if raw is None else path.stem, zero_infinite)
    if not streams:
        raise CorpusError(f"{path}: no clip has audio or vision")
    widths = (features.audio_width, features.vision_width)
    if raw is not None:
        with layout.build_lock():
            added = add_features(features, raw, layout, streams, progress)
        notes = (*_notes(features, streams[0], zero_infinite), *features.notes, *added.notes)
        return ImportReport(name, added.clips, added.failed, *widths, notes)
    with layout.build_lock():
        cached, failed = _write(features, layout, streams, progress)
        notes = (*_notes(features, streams[0], zero_infinite), *features.notes)
        rows = tuple(_row(item, streams[0], task, path) for item in cached)
        record_last(layout, name, streams)
        Manifest(name, task, None, rows, notes, corpus).write(layout.manifest(name))
        layout.mark_built(name)
        _write_failures(layout.failures(name), failed, path)
    return ImportReport(name, len(features.clips), len(failed), *widths, notes)


def _wrong_file(path: Path, problem: str) -> CorpusError:
    return CorpusError(f"{path} {problem}; expected a feature file: {', '.join(READERS)}")


def _raw_dataset(layout: CacheLayout, name: str) -> Manifest | None:
    """The dataset of that name if it was made from raw videos; None: the import makes it."""
    if not layout.manifest(name).exists():
        return None
    try:
        manifest = Manifest.read(layout.manifest(name))
    except CacheIncomplete:
        # The import replaces a manifest that nobody can read.
        return None
    return None if manifest.imported else manifest


def _write_failures(file: Path, failed: list[FeatureClip], path: Path) -> None:
    reason = "the file has neither audio nor vision of it (every number is 0)"
    write_failures(
        file, [Failure(item.clip.clip_id, str(path), reason, cached=False) for item in failed]
    )


def _streams(features: Features, name: str, zero_infinite: bool) -> list[Fingerprint]:
    """A stream for each modality of the file."""
    widths: dict[FrameModality, int] = {
        "vision": features.vision_width,
        "audio": features.audio_width,
    }
    weights = file_digest(features.path)
    options = {"file": weights, "version": VERSION, "zero_infinite": zero_infinite}
    how = json.dumps(options, sort_keys=True)
    streams = []
    for modality, width in widths.items():
        if not width:
            continue
        streams.append(
            Fingerprint(
                modality,
                encoder=f"imported-{name}",
                architecture=IMPORTED + hashlib.sha256(how.encode()).hexdigest(),
                weights=weights,
                trained=True,
                width=width,
                # Has no meaning here: the file does not say how its features were sampled.
                sampling=Sampling(),
            )
        )
    return streams


def _write(
    features: Features, layout: CacheLayout, streams: Sequence[Fingerprint], progress: ProgressFn
) -> tuple[list[FeatureClip], list[FeatureClip]]:
    """Writes the embeddings of all clips.

    Returns the clips that are cached now and the clips without features. Raises CorpusError if no
    clip has features.
    """
    writers = []
    for stream in streams:
        writer = open_writer(layout, stream)
        damaged = damaged_shards(layout.embeddings(stream), progress)
        writer.remove_shards([damage.shard for damage in damaged])
        writers.append(writer)
    cached: list[FeatureClip] = []
    failed: list[FeatureClip] = []
    for done, item in enumerate(features.clips, 1):
        if item.audio is None and item.vision is None:
            failed.append(item)
        else:
            key = imported_key(streams[0].architecture, item.clip.clip_id)
            for stream, writer in zip(streams, writers, strict=True):
                rows = item.vision if stream.modality == "vision" else item.audio
                writer.add(key, None if rows is None else rows.astype(np.float16))
            cached.append(item)
        progress("importing clips", done, len(features.clips), len(failed))
    if not cached:
        raise CorpusError(f"{features.path}: no clip has audio or vision")
    for writer in writers:
        writer.finish()
    return cached, failed


def _row(item: FeatureClip, fingerprint: Fingerprint, task: Task, path: Path) -> Row:
    clip = item.clip
    targets = {"label": task.encode(clip.labels.get("multimodal"))}
    for name in MODALITIES:
        targets[f"label_{name}"] = task.encode(clip.labels.get(name))
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
        f"audio {audio or 'absent'}, vision {vision or 'absent'} numbers per row"
    ]
    if zero_infinite:
        notes.append("−inf in audio was read as 0")
    return tuple(notes)
