"""What version 0.1 wrote: one folder of shards for the vision and audio of one encoder.

Such folders are read where they are, as two streams. Nothing is written to them. The manifest of
that version named the encoder, so it also says which streams were cached last.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout

MANIFEST_FORMAT = 3
SHARD_FORMAT = 1


def split_pair(pair: Fingerprint) -> tuple[Fingerprint, Fingerprint]:
    """The vision stream and the audio stream in a folder of version 0.1."""
    return replace(pair, modality="vision"), replace(pair, modality="audio")


def pair_of(stream: Fingerprint) -> Fingerprint:
    """The folder of version 0.1 that would hold this stream."""
    return replace(stream, modality="both", spec="")


def header_pair(header: dict[str, Any]) -> Fingerprint:
    """The fingerprint in the header of a manifest of version 0.1."""
    return Fingerprint.from_json(header["fingerprint"])


def manifest_pair(layout: CacheLayout, dataset: str) -> Fingerprint | None:
    """The fingerprint of the dataset's manifest, if version 0.1 wrote that."""
    path = layout.manifest(dataset)
    if not path.exists():
        return None
    metadata = pq.read_schema(path).metadata or {}
    header = json.loads(metadata.get(b"semanticmac", b"{}"))
    return header_pair(header) if header.get("format") == MANIFEST_FORMAT else None
