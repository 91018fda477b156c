"""What an export says of its streams, so that an import makes the same streams again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from semanticmac.cache.embedding_store import EmbeddingReader
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.stream_catalogue import choose_streams, dataset_streams, open_reader
from semanticmac.core import FRAME_MODALITIES
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.encoders.spec import parse_faces

FORMAT = 1
ALL = "all"  # every stream of a modality
NONE = "none"


@dataclass(frozen=True)
class SharedStream:
    """One stream of an export."""

    column: str  # "vision", or "vision_2" where there are several
    fingerprint: Fingerprint  # without paths of the machine that made it
    # Content key → why the stream lacks the clip.
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Header:
    """Everything about an export but its clips."""

    streams: tuple[SharedStream, ...]
    files: Mapping[str, str] = field(default_factory=dict)  # file → SHA-256

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        return tuple(stream.fingerprint for stream in self.streams)

    def to_json(self) -> str:
        streams = []
        for stream in self.streams:
            fields = stream.fingerprint.to_stored_dict()
            missing = dict(stream.missing)
            streams.append({"column": stream.column, "fingerprint": fields, "missing": missing})
        content = {"format": FORMAT, "streams": streams, "files": dict(self.files)}
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, source: Path) -> Header:
        """Raises CorpusError for a text that no export has written."""
        try:
            fields: dict[str, Any] = json.loads(text)
            if fields["format"] != FORMAT:
                raise CorpusError(
                    f"{source} has format {fields['format']}, but this version reads {FORMAT}: "
                    "update semanticmac"
                )
            streams = []
            for entry in fields["streams"]:
                fingerprint = Fingerprint.from_dict(entry["fingerprint"])
                # The modality becomes part of a folder's name.
                if fingerprint.modality not in FRAME_MODALITIES:
                    raise ValueError(f"a stream has the modality {fingerprint.modality!r}")
                streams.append(SharedStream(entry["column"], fingerprint, dict(entry["missing"])))
            return cls(tuple(streams), dict(fields["files"]))
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{source} is no export of semanticmac: {error}") from None


@dataclass(frozen=True)
class Selection:
    """A dataset of the cache with the streams to export, opened."""

    manifest: Manifest
    header: Header
    readers: Mapping[str, EmbeddingReader]  # column → reader

    def embeddings(self, column: str, key: str) -> np.ndarray | None:
        """(F, E) of one clip; None where the stream lacks the clip, or the clip the modality."""
        reader = self.readers[column]
        return reader.get(key) if key in reader else None


def select(layout: CacheLayout, dataset: str, vision: str, audio: str) -> Selection:
    """The streams of a dataset by name; `all` = every stream, `none` = no stream of a modality.

    Raises CacheIncomplete for a name that the cache does not hold, and CorpusError for a dataset
    without streams.
    """
    manifest = Manifest.read(layout.manifest(dataset))
    names = {"vision": vision, "audio": audio}
    streams: list[Fingerprint] = []
    for modality in FRAME_MODALITIES:
        if names[modality] == ALL:
            streams += dataset_streams(layout, manifest).of(modality)
        elif names[modality] != NONE:
            choice = {"vision": "last", "audio": "last", modality: names[modality]}
            streams += choose_streams(layout, manifest, **choice).of(modality)
    if not streams:
        raise CorpusError(f"{dataset} has no stream of embeddings to export")
    shared, readers = [], {}
    for column, stream in _columns(streams).items():
        reader = open_reader(layout, stream)
        missing = {}
        for row in manifest.rows:
            if row.key not in reader:
                missing[row.key] = reader.failed.get(row.key, "it was not encoded")
        shared.append(SharedStream(column, without_paths(stream), missing))
        readers[column] = reader
    return Selection(manifest, Header(tuple(shared)), readers)


def _columns(streams: Sequence[Fingerprint]) -> dict[str, Fingerprint]:
    """A name for each stream: its modality, with a number from the second one on."""
    columns: dict[str, Fingerprint] = {}
    for stream in streams:
        count = sum(other.modality == stream.modality for other in columns.values())
        name = stream.modality if count == 0 else f"{stream.modality}_{count + 1}"
        columns[name] = stream
    return columns


def without_paths(stream: Fingerprint) -> Fingerprint:
    """The same stream, with the last part of every path in `spec` alone."""
    return replace(stream, spec=_public(stream.spec))


def _public(spec: str) -> str:
    faces = parse_faces(spec)
    if faces is not None:
        pixels = f"@{faces.face_px}" if faces.face_px else ""
        return f"faces:{Path(faces.detector).name}{pixels}:{_public(faces.encoder)}"
    kind, colon, source = spec.partition(":")
    if not colon:
        return Path(kind).name if Path(kind).is_absolute() else kind
    plain, at, ending = source.rpartition("@")
    if not at:
        plain, ending = source, ""
    if Path(plain).is_absolute() or plain.startswith(("~", ".")):
        plain = Path(plain).name
    return f"{kind}:{plain}{at}{ending}"
