"""A second decoder of VP8 beside FFmpeg's own, to notice damage.

Where the data of a VP8 frame end too early, FFmpeg's decoder gives a frame without a complaint. Its
lower part is then whatever the memory held before. libvpx decodes such frames to something else.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.codec.context import Flags as CodecFlags

NAMES = {"vp8": "libvpx"}


def open_witness(codec_name: str) -> Witness | None:
    """A witness for a codec that needs one, where this build of FFmpeg has it."""
    name = NAMES.get(codec_name)
    if name is None or name not in av.codec.codecs_available:
        return None
    return Witness(name)


class Witness:
    """Decodes every packet that the first decoder gets."""

    def __init__(self, name: str) -> None:
        self.codec: Any = av.CodecContext.create(name, "r")
        self.codec.thread_count = 1
        self.codec.flags |= CodecFlags.copy_opaque

    def contradicts(self, packet: Any, frames: list[Any]) -> bool:
        """Whether a frame of this packet by the first decoder is not what the witness decodes."""
        try:
            own = {frame.opaque: frame for frame in self.codec.decode(packet)}
        except av.FFmpegError:
            return bool(frames)
        for frame in frames:
            other = own.get(frame.opaque)
            if other is None or not _equal(frame, other):
                return True
        return False


def _equal(first: Any, second: Any) -> bool:
    if (first.width, first.height) != (second.width, second.height):
        return False
    # Only libvpx gives a fourth plane, the transparency.
    pairs = zip(first.planes[:3], second.planes[:3], strict=True)
    return all(np.array_equal(_pixels(one), _pixels(other)) for one, other in pairs)


def _pixels(plane: Any) -> np.ndarray:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
