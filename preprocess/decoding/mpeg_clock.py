"""Times of the frames in an mpg file, where its time stamps name the wrong frames.

A program stream stamps the frame that begins in each of its packets. Where frames are small, or the
start of a frame lies across two packets, a stamp goes to a neighbour: times are left out, and later
frames share one. MPEG-1 and MPEG-2 video has a constant frame rate, so counting tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CODECS = ("mpeg1video", "mpeg2video")
_GROUP_START = b"\0\0\1\xb8"
_PICTURE_START = b"\0\0\1\0"
_B_FRAME = 3


@dataclass(frozen=True)
class FrameHead:
    """What a frame's headers say of its order."""

    kind: int  # 1 = I, 2 = P, 3 = B; 0 = there is no header
    place: int  # in the order of display, within its group
    # Hours, minutes, seconds and frames of the group that begins here; None = none begins.
    time_code: tuple[int, int, int, int] | None


def frame_head(data: bytes) -> FrameHead:
    """The headers in front of an MPEG-1 or MPEG-2 frame."""
    at = data.find(_PICTURE_START)
    if at < 0 or at + 6 > len(data):
        return FrameHead(0, 0, None)
    bits = int.from_bytes(data[at + 4 : at + 6])
    group = data.find(_GROUP_START, 0, at)
    time_code = _time_code(data[group + 4 : group + 8]) if group >= 0 else None
    return FrameHead(bits >> 3 & 7, bits >> 6, time_code)


def _time_code(data: bytes) -> tuple[int, int, int, int]:
    """25 bits: drop flag, 5 of hours, 6 of minutes, a marker, 6 of seconds, 6 of frames."""
    bits = int.from_bytes(data) >> 7
    return bits >> 19 & 31, bits >> 13 & 63, bits >> 6 & 63, bits & 63


def display_order(heads: Sequence[FrameHead]) -> np.ndarray:
    """(N,) packet numbers in the order in which their frames are shown.

    A B-frame is shown at once, an I- or P-frame when the next of these is decoded.
    """
    order = []
    held = None
    for number, head in enumerate(heads):
        if head.kind == _B_FRAME:
            order.append(number)
            continue
        if held is not None:
            order.append(held)
        held = number
    if held is not None:
        order.append(held)
    return np.array(order, np.int64)


def none_missing(heads: Sequence[FrameHead], frames_per_s: int) -> bool:
    """Whether the headers count every frame, group by group.

    Encoders that write no time codes do not pass.
    """
    starts = [number for number, head in enumerate(heads) if head.time_code is not None]
    if not starts or starts[0] != 0:
        return False
    expected = None
    for start, end in zip(starts, [*starts[1:], len(heads)], strict=True):
        hours, minutes, seconds, frames = heads[start].time_code or (0, 0, 0, 0)
        counted = ((hours * 60 + minutes) * 60 + seconds) * frames_per_s + frames
        if expected not in (None, counted):
            return False
        if sorted(head.place for head in heads[start:end]) != list(range(end - start)):
            return False
        expected = counted + end - start
    return True


def even_times(
    pts: np.ndarray, durations: np.ndarray, heads: Sequence[FrameHead], frames_per_s: int
) -> np.ndarray:
    """(N,) ticks → the same without shifts by stamps that were given to the wrong frame.

    Counting frames by their usual duration gives a time for each. Stamps that run ahead of it and
    come back were given to the wrong frame. Stamps that run ahead for good tell of missing frames,
    unless it is by one frame and the headers count every frame.
    """
    stated = durations[durations > 0]
    if not len(stated) or len(pts) < 2:
        return pts
    step = int(stated.min())
    order = display_order(heads)
    shown = pts[order]
    ahead = np.rint((shown - shown[0]) / step).astype(np.int64) - np.arange(len(shown))
    lasting = np.minimum.accumulate(ahead[::-1])[::-1]
    jumps = np.diff(lasting, prepend=lasting[0])
    if (jumps == 1).any() and none_missing(heads, frames_per_s):
        lasting = lasting[0] + np.cumsum(np.where(jumps == 1, 0, jumps))
    result = pts.copy()
    result[order] = shown + (lasting - ahead) * step
    return result
