"""RawClip ↔ bytes: the record that the frame store keeps of one decoded clip.

A record holds a magic number, the CRC-32 of everything after it, the length and the CRC-32 of a
JSON text, that JSON text, the compressed frames one after the other, and the 16-bit samples. The
JSON text has a checksum of its own, so that it can be read without the frames.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import ClipSummary, RawClip, frame_count

_MAGIC = b"SMC2"
_HEADER = struct.Struct("<4sI")  # magic number, CRC-32 of all bytes after the header
_JSON_HEADER = struct.Struct("<II")  # length of the JSON text, CRC-32 of it
_JSON_START = _HEADER.size + _JSON_HEADER.size


class RecordError(Exception):
    """A stored clip is damaged: its bytes changed, or it was cut."""


def pack(clip: RawClip, sampling: Sampling) -> bytes:
    """Encodes a clip as one record. `sampling.picture` selects JPEG or PNG for the frames."""
    count = frame_count(clip.duration_s, sampling.frames_per_s)
    images, image_sizes = [], None
    if clip.frames is not None:
        image_sizes = []
        for frame in clip.frames:
            image = _compress(frame, sampling.picture)
            images.append(image)
            image_sizes.append(len(image))
        count = len(images)
    samples, sample_count = b"", None
    if clip.waveform is not None:
        samples = clip.waveform.astype("<i2").tobytes()
        sample_count = len(clip.waveform)
    fields = {
        "duration_s": clip.duration_s,
        "frames": count,
        "notes": list(clip.notes),
        "pictures": image_sizes,
        "samples": sample_count,
    }
    text = json.dumps(fields).encode()
    body = b"".join([_JSON_HEADER.pack(len(text), zlib.crc32(text)), text, *images, samples])
    return _HEADER.pack(_MAGIC, zlib.crc32(body)) + body


def unpack(record: bytes | memoryview) -> RawClip:
    """Decodes a record of `pack`. Raises RecordError where a byte changed."""
    check_record(record)
    view = memoryview(record)
    fields, offset = _read_fields(view)
    frames = None
    if fields["pictures"] is not None:
        images = []
        for size in fields["pictures"]:
            images.append(_decompress(view[offset : offset + size]))
            offset += size
        frames = np.stack(images)  # (F, H, W, 3)
    waveform = None
    if fields["samples"] is not None:
        waveform = np.frombuffer(view, dtype="<i2", count=fields["samples"], offset=offset).copy()
    return RawClip(frames, waveform, fields["duration_s"], tuple(fields["notes"]))


def summarize(record: bytes | memoryview) -> ClipSummary:
    """The summary of a record. Frames and samples are neither read nor checked.

    Raises RecordError where the header or the JSON text changed.
    """
    fields, _ = _read_fields(memoryview(record))
    return ClipSummary(
        frames=fields["frames"],
        duration_s=fields["duration_s"],
        has_vision=fields["pictures"] is not None,
        has_audio=fields["samples"] is not None,
        notes=tuple(fields["notes"]),
    )


def check_record(record: bytes | memoryview) -> None:
    """Raises RecordError unless every byte is as `pack` wrote it. Decompresses nothing."""
    view = memoryview(record)
    _read_fields(view)
    _, checksum = _HEADER.unpack_from(view)
    _require_checksum(view[_HEADER.size :], checksum)


def _read_fields(view: memoryview) -> tuple[dict[str, Any], int]:
    """The checked JSON object of a record, and the offset of the first frame."""
    if len(view) < _JSON_START:
        raise _damaged(f"a frame record has {len(view)} bytes, expected at least {_JSON_START}")
    magic, _ = _HEADER.unpack_from(view)
    if magic != _MAGIC:
        raise _damaged(f"a frame record begins with {bytes(magic)!r}, expected {_MAGIC!r}")
    length, checksum = _JSON_HEADER.unpack_from(view, _HEADER.size)
    end = _JSON_START + length
    text = view[_JSON_START:end]
    _require_checksum(text, checksum)
    return json.loads(bytes(text)), end


def _require_checksum(part: memoryview, checksum: int) -> None:
    if zlib.crc32(part) != checksum:
        raise _damaged("the bytes of a frame record do not match its CRC-32")


def _damaged(reason: str) -> RecordError:
    return RecordError(f"{reason}. `semanticmac cache DATASET --repair` decodes the clip again.")


def _compress(frame: np.ndarray, picture: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(frame)
    if picture == "png":
        image.save(buffer, "PNG", compress_level=1)
    else:
        quality = int(picture.removeprefix("jpeg-"))
        # 4:4:4, because chroma subsampling would be the largest error at this quality.
        image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _decompress(image: memoryview) -> np.ndarray:
    """One compressed frame → (H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
