"""Reads the video files of a corpus and gives each clip its content key."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.keys import Sampling, content_key
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import Clip, ClipStatus

NO_FILE = "no such file"


def read_content_keys(
    clips: Sequence[Clip],
    layout: CacheLayout,
    sampling: Sampling,
    progress: ProgressFn,
    previous: Manifest | None = None,
) -> dict[str, ClipStatus]:
    """The status of each clip by clip id; clips with the same content key share one status.

    A status is "new" if a file of it exists and "missing" if none does. For a missing file, the
    hash from the last build counts, else the key in the previous manifest: a cache may have been
    moved without its videos. A clip without any of these has the empty key and a reason.
    """
    hashes = FileHashes(layout.file_hashes)
    earlier: dict[str, Row] = {}
    if previous is not None and previous.sampling == sampling:
        earlier = {row.clip_id: row for row in previous.rows}
    by_key: dict[str, ClipStatus] = {}
    statuses: dict[str, ClipStatus] = {}
    failed = 0
    for done, clip in enumerate(clips, 1):
        status = _status(clip, hashes, sampling)
        if status.state == "missing" and not status.key:
            status.key = _earlier_key(clip, earlier.get(clip.clip_id))
        if status.key:
            status = _merge(by_key.setdefault(status.key, status), status)
        else:
            failed += 1
        statuses[clip.clip_id] = status
        progress("reading files", done, len(clips), failed)
    hashes.save()
    return statuses


def _status(clip: Clip, hashes: FileHashes, sampling: Sampling) -> ClipStatus:
    """The status of one clip by its file alone."""
    status = ClipStatus("", clip)
    if clip.problem:
        status.fail(clip.problem)
        return status
    digest = None
    try:
        digest = hashes.digest(clip.video)
    except FileNotFoundError:
        digest = hashes.remembered(clip.video)
        status.state, status.reason = "missing", NO_FILE
        status.without_file.add(clip.clip_id)
    except OSError as error:
        status.fail(f"the file cannot be read: {error.strerror}")
    if digest is not None:
        status.key = content_key(digest, clip.start_s, clip.end_s, sampling, clip.crop)
    return status


def _earlier_key(clip: Clip, row: Row | None) -> str:
    """The key of the same segment in the previous manifest; empty if there is none."""
    if row is None or (row.start_s, row.end_s) != (clip.start_s, clip.end_s):
        return ""
    return row.key


def _merge(first: ClipStatus, other: ClipStatus) -> ClipStatus:
    """Adds another clip with the same content. A clip with a file replaces one without."""
    first.without_file |= other.without_file
    if other.state == "new":
        first.clip, first.state, first.reason = other.clip, "new", ""
    return first
