"""FaceClip: the crops of the speaker's face in one clip, with every face that was found.

A record holds a magic number, the CRC-32 and the length of a JSON text, that JSON text (tracks,
choice, boxes), and a record of frame_codec.py with the crops.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from semanticmac.cache.frame_codec import RecordError, check_record, pack, summarize, unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import ClipSummary, RawClip

_MAGIC = b"SMF1"
_HEADER = struct.Struct("<4sII")  # magic number, CRC-32 and length of the JSON text
NO_FACE = -1
NO_FACE_NOTE = "no face was found"

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the stored frames


@dataclass(frozen=True)
class FinderInfo:
    """One way of finding the speaker's face. Equal names: equal boxes and crops."""

    name: str  # of its folder: the kind of the detector and twelve digits of a hash of all below
    fields: Mapping[str, Any]  # detector, checksum, sizes and thresholds, as JSON values


@dataclass(frozen=True)
class FaceTrack:
    """One face over time."""

    frames: tuple[int, ...]  # rows k (times k/2 s) in which it was detected
    boxes: tuple[Box, ...]  # one for each of them
    scores: tuple[float, ...]  # certainty of the detector, 0 … 1
    motion: float  # of the mouth with the voice, less that of the eyes


@dataclass(frozen=True)
class FaceClip:
    """The faces of one clip."""

    crops: np.ndarray | None  # (F, P, P, 3) uint8, row k at k/2 s; None = no face was found
    tracks: tuple[FaceTrack, ...]
    chosen: tuple[int, ...]  # for each row the track in its crop; NO_FACE: taken from the nearest
    squares: tuple[Box, ...]  # for each row the square that was cut out
    reason: str  # how the speaker was chosen
    duration_s: float
    notes: tuple[str, ...] = ()  # for the user: no face, small faces

    @property
    def margin(self) -> float:
        """Motion of the chosen face minus that of the next one; 0 = no difference, inf = no other.

        Only tracks that share a row with the chosen one compete.
        """
        best = []
        for index, track in enumerate(self.tracks):
            if index in self.chosen:
                best.append(track)
        if not best:
            return float("inf")
        winner = max(best, key=_length)
        rivals = []
        for track in self.tracks:
            if track is not winner and set(track.frames) & set(winner.frames):
                rivals.append(track.motion)
        if not rivals:
            return float("inf")
        return winner.motion - max(rivals)


def pack_faces(clip: FaceClip, sampling: Sampling) -> bytes:
    """Encodes the faces of a clip as one record; `sampling.picture` selects JPEG or PNG."""
    fields = {
        "tracks": [asdict(track) for track in clip.tracks],
        "chosen": clip.chosen,
        "squares": clip.squares,
        "reason": clip.reason,
    }
    text = json.dumps(fields).encode()
    pictures = pack(RawClip(clip.crops, None, clip.duration_s, clip.notes), sampling)
    return _HEADER.pack(_MAGIC, zlib.crc32(text), len(text)) + text + pictures


def unpack_faces(record: bytes | memoryview, with_crops: bool = True) -> FaceClip:
    """Decodes a record of `pack_faces`. Raises RecordError where a byte changed.

    with_crops: False leaves the crops out, and their bytes unchecked.
    """
    text, pictures = _split(memoryview(record))
    try:
        about: ClipSummary | RawClip = summarize(pictures)
        crops = None
        if with_crops:
            about = raw = unpack(pictures)
            crops = raw.frames
    except RecordError:
        raise _damaged() from None
    fields = json.loads(bytes(text))
    return FaceClip(
        crops,
        tuple(_track(track) for track in fields["tracks"]),
        tuple(fields["chosen"]),
        tuple(_box(square) for square in fields["squares"]),
        fields["reason"],
        about.duration_s,
        about.notes,
    )


def read_notes(record: bytes | memoryview) -> tuple[str, ...]:
    """The remarks in a record, without its crops. Raises RecordError where they changed."""
    _, pictures = _split(memoryview(record))
    try:
        return summarize(pictures).notes
    except RecordError:
        raise _damaged() from None


def check_faces(record: bytes | memoryview) -> None:
    """Raises RecordError unless every byte is as `pack_faces` wrote it. Decompresses nothing."""
    _, pictures = _split(memoryview(record))
    try:
        check_record(pictures)
    except RecordError:
        raise _damaged() from None


def _split(view: memoryview) -> tuple[memoryview, memoryview]:
    """The checked JSON text of a record, and its pictures, unchecked."""
    if len(view) < _HEADER.size:
        raise _damaged()
    magic, checksum, length = _HEADER.unpack_from(view)
    end = _HEADER.size + length
    text = view[_HEADER.size : end]
    if magic != _MAGIC or zlib.crc32(text) != checksum:
        raise _damaged()
    return text, view[end:]


def _damaged() -> RecordError:
    return RecordError(
        "the record of its faces is damaged: `semanticmac cache DATASET --repair` with the same "
        "--vision finds the faces again"
    )


def _track(fields: dict[str, list[float]]) -> FaceTrack:
    boxes = [_box(box) for box in fields["boxes"]]  # type: ignore[arg-type]
    frames = [int(frame) for frame in fields["frames"]]
    motion = float(fields["motion"])  # type: ignore[arg-type]
    return FaceTrack(tuple(frames), tuple(boxes), tuple(fields["scores"]), motion)


def _box(edges: list[float]) -> Box:
    left, top, right, bottom = edges
    return left, top, right, bottom


def _length(track: FaceTrack) -> int:
    return len(track.frames)
