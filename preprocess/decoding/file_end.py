"""Whether a file ends before its container says, by the sizes in it; no decoder is asked.

Containers that state no size (mpg, flv, mp3, aac) and files that were cut between two packets of a
transport stream cannot be told.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from semanticmac.preprocess.decoding.ts_packets import ends_inside_packet

TOLERANCE_BYTES = 64  # some writers count their own header wrongly
MAX_BOXES = 20_000
MAX_RIFF_BYTES = 0x7FFF_F000  # a size above it means that the writer did not know
OGG_TAIL_BYTES = 128 << 10  # more than the largest page
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
EBML_HEADER = b"\x1a\x45\xdf\xa3"
EBML_SEGMENT = b"\x18\x53\x80\x67"
BOXES = (b"mdat", b"moov", b"moof")


def ends_early(path: Path) -> bool:
    """Whether bytes are missing at the end of a file."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        end = _stated_end(file, head, size_bytes)
    if end is not None:
        return end > size_bytes + TOLERANCE_BYTES
    return ends_inside_packet(path, size_bytes)


def _stated_end(file: BinaryIO, head: bytes, size_bytes: int) -> int | None:
    """Where the last part of the file ends by its own size; None where no size is stated."""
    if head[:4] == b"RIFF":
        return _riff_end(file, size_bytes)
    if head[4:8] in (b"ftyp", *BOXES):
        return _box_end(file, size_bytes)
    if head[:4] == EBML_HEADER:
        return _matroska_end(file)
    if head == ASF_HEADER:
        return _asf_end(file)
    if head[:4] == b"OggS":
        return _ogg_end(file, size_bytes)
    return None


def _riff_end(file: BinaryIO, size_bytes: int) -> int | None:
    """avi and wav: one RIFF part, or several in an avi of over 1 GB."""
    position = 0
    while position + 8 <= size_bytes:
        head = _read_at(file, position, 8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or not 0 < length < MAX_RIFF_BYTES:
            break
        position += 8 + length + length % 2
    return position or None


def _box_end(file: BinaryIO, size_bytes: int) -> int | None:
    """mp4 and mov: boxes that follow one another."""
    position = 0
    for _ in range(MAX_BOXES):
        head = _read_at(file, position, 16)
        if len(head) < 8:
            return position
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8:  # 0: to the end of the file
            return None
        if position + length > size_bytes and head[4:8] not in BOXES:
            return None
        position += length
    return None


def _matroska_end(file: BinaryIO) -> int | None:
    """mkv and webm: the Segment behind the EBML header."""
    width, length = _ebml_length(_read_at(file, 4, 8))
    start = 4 + width + (length or 0)
    head = _read_at(file, start, 12)
    if head[:4] != EBML_SEGMENT:
        return None
    width, length = _ebml_length(head[4:])
    return None if length is None else start + 4 + width + length


def _ebml_length(data: bytes) -> tuple[int, int | None]:
    """Bytes of a variable-length number, and the number; None = unknown."""
    if not data or not data[0]:
        return 1, None
    width = 9 - data[0].bit_length()
    bits = int.from_bytes(data[:width]) & (1 << 7 * width) - 1
    return width, None if bits == (1 << 7 * width) - 1 else bits


def _asf_end(file: BinaryIO) -> int | None:
    """wmv and wma: the data object behind the header object."""
    start = int.from_bytes(_read_at(file, 16, 8), "little")
    length = int.from_bytes(_read_at(file, start + 16, 8), "little")
    return start + length if length > 24 else None


def _ogg_end(file: BinaryIO, size_bytes: int) -> int | None:
    """The end of the last page, by its segment table."""
    tail_start = max(0, size_bytes - OGG_TAIL_BYTES)
    tail = _read_at(file, tail_start, OGG_TAIL_BYTES)
    at = tail.rfind(b"OggS\0")
    if at < 0 or at + 27 > len(tail):
        return None
    table = tail[at + 27 : at + 27 + tail[at + 26]]
    if len(table) < tail[at + 26]:
        return size_bytes + TOLERANCE_BYTES + 1
    # A missing byte shows in an Ogg page, for its size is exact.
    end = tail_start + at + 27 + len(table) + sum(table)
    return end + TOLERANCE_BYTES if end > size_bytes else end


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
