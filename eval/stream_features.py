"""One vector a clip from each cached stream of a dataset, for the linear probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import dataset_streams, open_reader
from semanticmac.core import FrameModality
from semanticmac.eval.pooling import pool_rows


class ProbeError(Exception):
    """A probe that this cache does not support; the message says what it needs."""


@dataclass(frozen=True)
class StreamFeatures:
    """A stream, and where its embeddings of each clip are."""

    name: str  # of its encoder; with the dataset before it where that is another one
    stream: Fingerprint
    layout: CacheLayout
    keys: tuple[str | None, ...]  # of each clip; None: the stream does not have it

    @property
    def modality(self) -> FrameModality:
        assert self.stream.modality != "both"
        return self.stream.modality

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 2·E) mean and deviation of each clip, zeros where it lacks; (N,) True = it has it."""
        reader = open_reader(self.layout, self.stream)
        points = np.zeros((len(self.keys), 2 * self.stream.width))
        present = np.zeros(len(self.keys), bool)
        for number, key in enumerate(self.keys):
            rows = reader.get(key) if key is not None and key in reader else None
            if rows is not None and len(rows):
                points[number] = pool_rows(rows)
                present[number] = True
        return points, present


@dataclass(frozen=True)
class ChosenStreams:
    """The streams to probe, and remarks on those that are left out."""

    streams: tuple[StreamFeatures, ...]
    notes: tuple[str, ...]


def choose_features(
    layout: CacheLayout,
    manifest: Manifest,
    rows: Sequence[Row],
    names: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> ChosenStreams:
    """The streams of these clips.

    names: encoders or folders of streams; none = every stream that has all clips. beside: other
    datasets in the cache with the same clip ids, such as imported features of the same corpus.
    Raises ProbeError for a name that is not cached, and where there is no stream.
    """
    found = _streams_of(layout, manifest, "", {row.clip_id: row.key for row in rows}, rows)
    notes: list[str] = []
    for dataset in beside:
        other = Manifest.read(layout.manifest(layout.require(dataset)))
        keys = {row.clip_id: row.key for row in other.rows}
        shared = [row for row in rows if row.clip_id in keys]
        if not shared:
            raise ProbeError(
                f"{dataset} and {manifest.dataset} have no clip id in common, so their features "
                "cannot be compared"
            )
        notes += _label_note(dataset, other, rows)
        found += _streams_of(layout, other, f"{dataset}: ", keys, rows)
    chosen: list[StreamFeatures] = []
    for features in found:
        lacking = _not_encoded(features, rows)
        asked = features.name in names or features.stream.encoder in names
        asked = asked or features.stream.name in names
        if names and not asked:
            continue
        if lacking and not asked:
            notes.append(
                f"{features.modality} {features.name} is left out: it lacks {lacking} of "
                f"{len(rows)} clips; `semanticmac cache` with this encoder adds them"
            )
        else:
            chosen.append(features)
    _require_names(names, chosen, found)
    if not chosen:
        raise ProbeError(
            f"{manifest.dataset} has no stream with all of its labelled clips: cache one with "
            "`semanticmac cache --audio …` or `--vision …`"
        )
    return ChosenStreams(tuple(chosen), tuple(notes))


def _streams_of(
    layout: CacheLayout, manifest: Manifest, prefix: str, keys: dict[str, str], rows: Sequence[Row]
) -> list[StreamFeatures]:
    found = []
    streams = dataset_streams(layout, manifest).all
    encoders = [(stream.modality, stream.encoder) for stream in streams]
    for stream in streams:
        name = stream.encoder
        if encoders.count((stream.modality, name)) > 1:
            name = stream.name  # Two folders hold models of the same name.
        row_keys = tuple(keys.get(row.clip_id) for row in rows)
        found.append(StreamFeatures(prefix + name, stream, layout, row_keys))
    return found


def _not_encoded(features: StreamFeatures, rows: Sequence[Row]) -> int:
    """Clips that the stream was never asked to encode, or that its dataset does not have."""
    reader = open_reader(features.layout, features.stream)
    count = 0
    for key in features.keys:
        if key is None or (key not in reader and key not in reader.failed):
            count += 1
    return count


def _label_note(dataset: str, other: Manifest, rows: Sequence[Row]) -> list[str]:
    labels = {row.clip_id: row.label for row in other.rows}
    differing = 0
    for row in rows:
        theirs = labels.get(row.clip_id)
        if theirs is not None and theirs != row.label:
            differing += 1
    if not differing:
        return []
    return [f"{differing} clips have another label in {dataset}; those of this dataset are used"]


def _require_names(
    names: Sequence[str], chosen: Sequence[StreamFeatures], found: Sequence[StreamFeatures]
) -> None:
    known: set[str] = set()
    for features in chosen:
        known |= {features.name, features.stream.encoder, features.stream.name}
    for name in names:
        if name not in known:
            cached = ", ".join(features.name for features in found) or "none"
            raise ProbeError(f"there is no stream {name!r} (cached: {cached})")
