"""Times of the frames in an mpg file, where its time stamps name the wrong frames.

A program stream stamps the frame that begins in each of its packets. Where frames are small, or the
start of a frame lies across two packets, a stamp goes to a neighbour: times are left out, and later
frames share one. MPEG-1 and MPEG-2 video has a constant frame rate, so counting tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CODECS = ("mpeg1video", "mpeg2video")
_PICTURE_START = b"\0\0\1\0"
_B_FRAME = 3


def picture_type(data: bytes) -> int:
    """1 = I, 2 = P, 3 = B of an MPEG-1 or MPEG-2 frame; 0 where there is no picture header."""
    at = data.find(_PICTURE_START)
    if at < 0 or at + 5 >= len(data):
        return 0
    return data[at + 5] >> 3 & 7


def display_order(types: Sequence[int]) -> np.ndarray:
    """(N,) packet numbers in the order in which their frames are shown.

    A B-frame is shown at once, an I- or P-frame when the next of these is decoded.
    """
    order = []
    held = None
    for number, kind in enumerate(types):
        if kind == _B_FRAME:
            order.append(number)
            continue
        if held is not None:
            order.append(held)
        held = number
    if held is not None:
        order.append(held)
    return np.array(order, np.int64)


def even_times(pts: np.ndarray, durations: np.ndarray, types: Sequence[int]) -> np.ndarray:
    """(N,) ticks → the same without shifts that later stamps take back.

    Counting frames by their usual duration gives a time for each. Stamps may run ahead of it for
    good, where frames are missing. Stamps that run ahead and come back were given to the wrong
    frame.
    """
    stated = durations[durations > 0]
    if not len(stated) or len(pts) < 2:
        return pts
    step = int(stated.min())
    order = display_order(types)
    shown = pts[order]
    ahead = np.rint((shown - shown[0]) / step).astype(np.int64) - np.arange(len(shown))
    lasting = np.minimum.accumulate(ahead[::-1])[::-1]
    result = pts.copy()
    result[order] = shown + (lasting - ahead) * step
    return result
