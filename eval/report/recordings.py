"""The original files of clips, for the players of a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from semanticmac.cache.atomic_io import as_text
from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.keys import Sampling, content_key
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Row

CROPS = (None, "left", "right")
# Suffixes of files that browsers play.
PLAYABLE = (".mp4", ".m4v", ".mov", ".webm", ".ogv", ".mp3", ".wav", ".m4a", ".ogg", ".flac")


@dataclass(frozen=True)
class Recording:
    """The file of a clip, beside a page."""

    name: str
    url: str  # relative to the page, with the segment of the clip
    plays: bool  # whether browsers know files of this kind


def recordings(
    layout: CacheLayout, sampling: Sampling | None, rows: Sequence[Row], page: Path | None
) -> list[Recording | None]:
    """The file of each clip; None where the cache does not know it or it is no longer there.

    page: where the page is written; None: it gets no players.
    """
    if page is None or sampling is None:
        return [None] * len(rows)
    hashes = FileHashes(layout.file_hashes).all()
    found: list[Recording | None] = []
    for row in rows:
        path = _file_of(row, hashes, sampling)
        found.append(None if path is None else _recording(row, path, page))
    return found


def _file_of(row: Row, hashes: Mapping[str, str], sampling: Sampling) -> Path | None:
    """The file with the content of the clip."""
    for name, digest in hashes.items():
        if not row.video or not name.endswith(f"/{row.video}"):
            continue
        for crop in CROPS:
            if content_key(digest, row.start_s, row.end_s, sampling, crop) == row.key:
                return Path(name) if Path(name).is_file() else None
    return None


def _recording(row: Row, path: Path, page: Path) -> Recording:
    relative = os.path.relpath(path, page.absolute().parent)
    end = "" if row.end_s is None else f",{row.end_s:g}"
    segment = f"#t={row.start_s:g}{end}" if row.start_s or row.end_s is not None else ""
    url = quote(os.fsencode(relative)) + segment
    return Recording(as_text(row.video), url, path.suffix.lower() in PLAYABLE)
