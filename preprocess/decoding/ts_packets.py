"""Transport streams (.ts, .mts): whether data of a frame is missing, by their packet counters.

FFmpeg marks the frame in front of every jump of a counter as corrupt. Where two files were joined,
the jump lies between two frames, and both are whole.
"""

from __future__ import annotations

from pathlib import Path

PACKET_BYTES = 188
M2TS_BYTES = 192  # with four bytes of clock in front of each packet
MOST_BYTES = 32 << 20  # looked at for one frame
_SYNC = 0x47


def data_is_missing(path: Path, start: int, end: int) -> bool:
    """Whether a counter jumps inside the frame at bytes start … end, the next frame's start.

    start is the place of the frame's first packet in the file. True also where that cannot be told.
    """
    if not 0 <= start < end or end - start > MOST_BYTES:
        return True
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(end - start)
    size = _packet_size(data)
    if size is None:
        return True
    track, counter = None, None
    for at in range(0, len(data) - PACKET_BYTES + 1, size):
        if data[at] != _SYNC:
            return True
        number = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        track = number if track is None else track
        has_payload = data[at + 3] & 0x10
        if number != track or not has_payload:
            continue
        if counter is not None and data[at + 3] & 0xF != (counter + 1) & 0xF:
            return True
        counter = data[at + 3] & 0xF
    return counter is None


def ends_inside_packet(path: Path, size_bytes: int) -> bool:
    """Whether the file ends in the middle of a packet, as after a download that broke off."""
    with path.open("rb") as file:
        head = file.read(8 * M2TS_BYTES)
    for size, first in ((PACKET_BYTES, 0), (M2TS_BYTES, 4)):
        marks = head[first::size]
        if len(marks) > 1 and all(mark == _SYNC for mark in marks):
            return size_bytes % size != 0
    return False


def _packet_size(data: bytes) -> int | None:
    for size in (PACKET_BYTES, M2TS_BYTES):
        if all(mark == _SYNC for mark in data[::size]):
            return size
    return None
