"""One decoded clip: the record that decoding makes, and the bytes that the frame store keeps of it."""

from __future__ import annotations

import io
import json
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from semanticmac.cache.keys import Sampling

_BEGIN = struct.Struct("<4sI")  # magic, CRC-32 of all that follows it
_HEAD = struct.Struct(
    "<II"
)  # bytes of the JSON that comes next, CRC-32 of it: it is read without the pictures
_JSON_AT = _BEGIN.size + _HEAD.size
_MAGIC = b"SMC2"
# what ends or starts this near k/2 s does so at k/2 s: clocks of 1/90000 s never hit it exactly
TIE_S = 1e-4


class RecordError(Exception):
    """A stored clip is not what was written: bytes changed, or it was cut."""


@dataclass(frozen=True)
class RawClip:
    """One decoded clip.

    A modality that the file does not have is None, never zeros that look like data.
    """

    frames: (
        np.ndarray | None
    )  # (F, H, W, 3) uint8 RGB, the picture showing at k/2 s for k = 0 … F − 1; short side 224
    waveform: (
        np.ndarray | None
    )  # (N,) int16, 16 kHz mono, from the clip's start, N = round(duration_s · 16000)
    duration_s: float  # of the pictures where there are any, else of the sound
    notes: tuple[
        str, ...
    ] = ()  # what a person should know of a clip that was cached all the same ("no audio track")


@dataclass(frozen=True)
class About:
    """What a stored clip says of itself."""

    frames: int  # F, the rows that its embeddings have
    duration_s: float
    has_vision: bool
    has_audio: bool
    notes: tuple[str, ...]


def frame_count(duration_s: float, frames_per_s: int) -> int:
    """F: how many times k / frames_per_s lie before the end of a clip, at least 1 (method.md §1)."""
    return max(1, math.ceil((duration_s - TIE_S) * frames_per_s))


def pack(raw: RawClip, sampling: Sampling) -> bytes:
    """A clip as one record: two heads, JSON, compressed pictures one after the other, 16-bit samples."""
    pictures = (
        [] if raw.frames is None else [_compress(frame, sampling.picture) for frame in raw.frames]
    )
    sound = b"" if raw.waveform is None else raw.waveform.astype("<i2").tobytes()
    fields = {
        "duration_s": raw.duration_s,
        "frames": frame_count(raw.duration_s, sampling.frames_per_s)
        if raw.frames is None
        else len(raw.frames),
        "notes": list(raw.notes),
        "pictures": None if raw.frames is None else [len(picture) for picture in pictures],
        "samples": None if raw.waveform is None else len(raw.waveform),
    }
    text = json.dumps(fields).encode()
    body = b"".join([_HEAD.pack(len(text), zlib.crc32(text)), text, *pictures, sound])
    return _BEGIN.pack(_MAGIC, zlib.crc32(body)) + body


def unpack(record: bytes | memoryview) -> RawClip:
    """The clip that `pack` stored, checked against its CRC.

    Raises RecordError where a byte is not as written.
    """
    check(record)
    view = memoryview(record)
    fields, at = _fields(view)
    pictures = None
    if fields["pictures"] is not None:
        pictures = []
        for size in fields["pictures"]:
            pictures.append(np.asarray(Image.open(io.BytesIO(view[at : at + size])).convert("RGB")))
            at += size
    waveform = None
    if fields["samples"] is not None:
        waveform = np.frombuffer(view, dtype="<i2", count=fields["samples"], offset=at).copy()
    frames = None if pictures is None else np.stack(pictures)  # (F, H, W, 3)
    return RawClip(frames, waveform, fields["duration_s"], tuple(fields["notes"]))


def about(record: bytes | memoryview) -> About:
    """What a record says of itself. Its pictures and sound are neither read nor checked.

    Raises RecordError where what it says is not as `pack` wrote it.
    """
    fields, _ = _fields(memoryview(record))
    return About(
        fields["frames"],
        fields["duration_s"],
        fields["pictures"] is not None,
        fields["samples"] is not None,
        tuple(fields["notes"]),
    )


def check(record: bytes | memoryview) -> None:
    """Raise RecordError unless every byte of a record is as `pack` wrote it.

    Nothing is decompressed.
    """
    view = memoryview(record)
    _fields(view)
    _require(view[_BEGIN.size :], _BEGIN.unpack_from(view)[1])


def _fields(view: memoryview) -> tuple[dict[str, Any], int]:
    """The JSON of a record, checked, and where the first picture begins."""
    if len(view) < _JSON_AT:
        raise _broken(f"a frame record of {len(view)} bytes is shorter than its head")
    magic, _ = _BEGIN.unpack_from(view)
    if magic != _MAGIC:
        raise _broken(f"a frame record begins with {bytes(magic)!r}, expected {_MAGIC!r}")
    length, checksum = _HEAD.unpack_from(view, _BEGIN.size)
    text = view[_JSON_AT : _JSON_AT + length]
    _require(text, checksum)
    return json.loads(bytes(text)), _JSON_AT + length


def _require(part: memoryview, checksum: int) -> None:
    if zlib.crc32(part) != checksum:
        raise _broken(
            "a frame record's bytes do not match its CRC-32: they changed after they were written"
        )


def _broken(reason: str) -> RecordError:
    return RecordError(f"{reason}. `semanticmac cache DATASET --repair` decodes the clip again.")


def _compress(frame: np.ndarray, picture: str) -> bytes:
    buffer = io.BytesIO()
    if picture == "png":
        Image.fromarray(frame).save(buffer, "PNG", compress_level=1)
    else:
        # 4:4:4: at this quality chroma subsampling would be the largest error, and faces carry
        # colour.
        Image.fromarray(frame).save(
            buffer, "JPEG", quality=int(picture.removeprefix("jpeg-")), subsampling=0
        )
    return buffer.getvalue()
