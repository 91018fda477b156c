"""The video decoder of one open file by PyAV: frames by the numbers of their packets, in RGB."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.sidedata.sidedata import Type as SideData

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.av_witness import Witness, open_witness
from semanticmac.preprocess.decoding.frames import tone_map, turns_by_quarters, upright

if TYPE_CHECKING:
    from semanticmac.preprocess.decoding.av_file import MediaFile

TRANSFERS: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}  # AVColorTransferCharacteristic
# The codecs whose frames carry the time of their packet. Others decode every frame.
PLANNED_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg2video")
# Their frames are shown in the order of decoding.
IN_ORDER_CODECS = ("vp8", "vp9", "av1", "libdav1d")
MAX_REORDER = 16  # frames, of H.264 and HEVC
UNTIMED_CONTAINERS = ("avi", "h264", "hevc", "m4v", "mpegvideo", "ivf", "obu")


class DecoderFailed(Exception):
    """The planned decoding did not give every frame that was wanted."""


class FrameSource:
    """The decoder of a file's video track. It goes on where the last segment ended."""

    def __init__(self, file: MediaFile) -> None:
        self.file = file
        self.stream = file.video
        self.table = file.tables[self.stream.index]
        self.codec = self.stream.codec_context
        self.codec.thread_type = "NONE"
        self.codec.thread_count = 1
        # A frame's `opaque` is then the number of its packet.
        self.codec.flags |= CodecFlags.copy_opaque
        self._converter: tuple[object, Any] = (None, None)  # settings, filter graph
        self._packets: Iterator[tuple[int, Any]] | None = None
        self._next = 0  # the packet that the decoder gets next
        self.bad_packets: set[int] = set()  # numbers of packets that the decoder complains of
        # A decoder that was flushed keeps what a bad header told it, and complains only once. So
        # complaints are kept, but for those of a decoder that began in the middle.
        self._bad_from_start: set[int] = set()
        self._from_start = True
        self.last_bad = -1  # the last of them that later frames may depend on
        self._keys = np.flatnonzero(self.table.key)
        self.interlaced = False
        self.hdr = False
        self.odd_turn = False  # a display matrix turns frames by no quarter of a circle
        self._witness: Witness | None = None

    @property
    def untimed(self) -> bool:
        """Whether the container knows the order of decoding alone."""
        return self.file.container.format.name.split(",")[0] in UNTIMED_CONTAINERS

    def planned(self) -> bool:
        """Whether the packets tell the time of every frame."""
        if not self.table.complete or self.untimed or self.codec.name not in PLANNED_CODECS:
            return False
        # A damaged time stamp moves its frame far from where it is decoded.
        reorder = 0 if self.codec.name in IN_ORDER_CODECS else MAX_REORDER
        return self.table.displacement <= reorder

    def first_s(self) -> float:
        """When the first frame is shown, on the file's clock."""
        if self.untimed:
            for frame in self.every(0):
                ticks = frame.dts if frame.dts is not None else frame.pts
                if ticks is not None:
                    return float(ticks * self.table.tick_s)
                break
        return float(self.table.starts_s[0])

    def wanted(self, packets: np.ndarray) -> Iterator[tuple[int, Any]]:
        """(pts, frame) of the packets with these numbers, each once, in the order of decoding.

        Packets whose frame nobody needs are skipped unless another frame depends on them.
        Raises DecoderFailed where the decoder complains or does not give a frame.
        """
        pending = {int(self.table.pts[packet]) for packet in packets}
        wanted = set(pending)
        first = int(packets.min())
        for entry in self._entries(first, int(packets[0])):
            begun = False
            last_pts = None
            for frame in self._frames(entry, wanted):
                if not begun and entry and not self._resumed and not frame.key_frame:
                    break  # the container calls this a key frame, the codec does not
                begun = True
                if frame.is_corrupt:
                    raise DecoderFailed("a frame is damaged")
                if last_pts is not None and frame.pts is not None and frame.pts < last_pts:
                    raise DecoderFailed("time stamps are out of order")
                last_pts = frame.pts
                if frame.pts in pending:
                    pending.remove(frame.pts)
                    yield frame.pts, frame
                if not pending:
                    return
            if pending != wanted:
                break
        raise DecoderFailed(f"{len(pending)} frames are missing")

    def _entries(self, first: int, shown_first: int) -> list[int]:
        """Where decoding may begin: where it stopped, if the key frame before is further back."""
        entries = self.table.entries(shown_first)
        self._resumed = False
        if self._packets is not None and entries[0] <= self._next <= first:
            return [self._next, *entries]
        return entries

    def every(self, entry: int) -> Iterator[Any]:
        """Every frame from a key packet on, in the order of their times."""
        self._resumed = False
        self._packets = None
        try:
            yield from self._frames(entry, None)
        finally:
            self._packets = None  # also where the caller stops before the end

    def _mark_bad(self, number: int) -> None:
        """Remember a bad packet. One that shows before its key frame hurts no frame after that."""
        self.bad_packets.add(number)
        if self._from_start:
            self._bad_from_start.add(number)
        before = int(np.searchsorted(self._keys, number, side="right")) - 1
        if before < 0 or self.table.pts[number] >= self.table.pts[self._keys[before]]:
            self.last_bad = max(self.last_bad, number)

    def is_damaged(self, frame: Any) -> bool:
        """Whether the decoder complained of the frame itself, not of one that it depends on."""
        return frame.is_corrupt or frame.opaque in self.bad_packets

    def _frames(self, entry: int, wanted: set[int] | None) -> Iterator[Any]:
        self._resumed = self._packets is not None and entry == self._next
        if not self._resumed:
            self._start(entry)
        codec, log = self.codec, self.file.log
        assert self._packets is not None
        with log.listening() as entries:
            for number, packet in self._packets:
                self._next = number + 1
                packet.opaque = number
                damages = log.damages
                needed = wanted is None or packet.pts in wanted
                codec.skip_frame = "DEFAULT" if needed else "NONREF"
                frames = self._decode(packet)
                if entries:
                    log.take(entries)
                if log.damages > damages or packet.is_corrupt or number in self.bad_packets:
                    self._mark_bad(number)
                for frame in frames:
                    if frame.is_corrupt and frame.opaque is not None:
                        self._mark_bad(frame.opaque)
                contradicted = self._is_contradicted(packet, frames)
                if contradicted:
                    self._mark_bad(number)
                if wanted is None or not contradicted:
                    yield from frames
                complains = log.errors or log.damaged or packet.is_corrupt or contradicted
                if wanted is not None and complains:
                    raise DecoderFailed("the decoder complains")
            self._packets = None
            yield from self._decode(None)

    def _is_contradicted(self, packet: Any, frames: list[Any]) -> bool:
        return self._witness is not None and self._witness.contradicts(packet, frames)

    def _start(self, entry: int) -> None:
        self.codec.flush_buffers()
        self._witness = open_witness(self.codec.name)
        self._packets = self.file.packets(self.stream, entry)
        self._next = entry
        self._from_start = entry == 0
        self.bad_packets = set(self._bad_from_start)
        self.last_bad = -1

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return list(self.codec.decode(packet))
        except av.EOFError:
            return []
        except av.FFmpegError:
            self.file.log.add_damage()
            return []

    def rgb(self, frame: Any, max_side_px: int) -> tuple[np.ndarray, float]:
        """(H, W, 3) uint8 upright RGB of BT.709, and the width of one pixel over its height."""
        if max(frame.width, frame.height) > max_side_px:
            raise DecodeError(
                f"a picture is {frame.width} × {frame.height} px; "
                f"at most {max_side_px} px a side are read"
            )
        pixel_aspect = self._pixel_aspect(frame)
        transfer = TRANSFERS.get(frame.color_trc)
        field = frame.interlaced_frame and frame.height >= 4
        picture = self._convert(frame, field, deep=transfer is not None)
        if field:
            self.interlaced = True
            pixel_aspect /= 2
        if transfer:
            self.hdr = True
            picture = tone_map(picture, transfer)
        matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
        if matrix is not None:
            numbers = struct.unpack("<9i", bytes(matrix)[:36])
            if not turns_by_quarters(numbers):
                self.odd_turn = True
                return picture, pixel_aspect
            before = picture.shape
            picture = upright(picture, numbers)
            if picture.shape != before or abs(numbers[1]) > abs(numbers[0]):
                pixel_aspect = 1 / pixel_aspect
        return picture, pixel_aspect

    def _convert(self, frame: Any, field: bool, deep: bool) -> np.ndarray:
        """(H, W, 3) RGB uint8, or uint16 if deep; of an interlaced frame the upper field alone.

        By the filters of the ffmpeg program: av's own conversion places the colour of 10-bit
        frames elsewhere.
        """
        shape = (frame.width, frame.height, frame.format.name)
        settings = (*shape, frame.colorspace, frame.color_range, field, deep)
        if settings != self._converter[0]:
            graph = _conversion(frame, self.stream.time_base, field, deep)
            self._converter = (settings, graph)
        graph = self._converter[1]
        graph.push(frame)
        picture: np.ndarray = graph.pull().to_ndarray()
        return picture

    def _pixel_aspect(self, frame: Any) -> float:
        ratio = self.stream.sample_aspect_ratio
        if not ratio or (frame.width, frame.height) != (self.codec.width, self.codec.height):
            ratio = self.codec.sample_aspect_ratio
        return float(ratio) if ratio else 1.0


def _conversion(frame: Any, time_base: Any, field: bool, deep: bool) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=time_base
    )
    filters = [("scale", "flags=bicubic"), ("format", "rgb48le" if deep else "rgb24")]
    if field:
        filters.insert(0, ("field", "top"))
    for name, arguments in [*filters, ("buffersink", None)]:
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    graph.configure()
    return graph
