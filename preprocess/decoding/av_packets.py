"""The packets of one open file by PyAV: read once for their times, and again for decoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.stream import Discard

from semanticmac.preprocess.decoding import mpeg_clock
from semanticmac.preprocess.decoding.timeline import PacketTable
from semanticmac.preprocess.decoding.ts_packets import data_is_missing

if TYPE_CHECKING:
    from semanticmac.preprocess.decoding.av_file import MediaFile

KEEP_BYTES = 64 << 20  # of packets in memory; of a larger file, packets are read again
# An mpg file is read from so many places before the packet that is wanted: where reading begins
# inside a frame, the first packets are no frames.
RUN_IN_PLACES = 8

Row = tuple[int | None, int | None, int, bool, bool]


class PacketReader:
    """Packet tables of the tracks that may be decoded, and their packets."""

    def __init__(self, file: MediaFile, streams: list[Any], size_bytes: int) -> None:
        self.file = file
        self.tables: dict[int, PacketTable] = {}
        self.cut_off = False  # the last frame of a transport stream is marked as corrupt
        # The packets of each track; None where the file is too large to keep them.
        self._kept: dict[int, list[Any]] | None = None
        if size_bytes <= KEEP_BYTES:
            self._kept = _empty_lists(streams)
        self._places: dict[int, list[int]] = _empty_lists(streams)
        self._sizes: dict[int, list[int]] = _empty_lists(streams)
        self._whole: set[int] = set()  # video packets that are marked as corrupt and are whole
        if streams:
            self._read(streams)

    def packets(self, stream: Any, first: int) -> Iterator[tuple[int, Any]]:
        """(number, packet) of one track from packet `first` on."""
        numbered: Iterable[tuple[int, Any]]
        if self._kept is None:
            numbered = self._again(stream, first)
        else:
            numbered = enumerate(self._kept[stream.index][first:], first)
        is_video = self.file.video is not None and stream.index == self.file.video.index
        for number, packet in numbered:
            if packet.is_corrupt and is_video and number in self._whole:
                packet.is_corrupt = False
            yield number, packet

    def _read(self, streams: list[Any]) -> None:
        """Read every packet once: its times, and of a small file the packet itself."""
        container, log = self.file.container, self.file.log
        rows: dict[int, list[Row]] = _empty_lists(streams)
        for stream in container.streams:
            if stream.index not in rows:
                stream.discard = Discard.all
        heads: list[mpeg_clock.FrameHead] = []  # of MPEG-1 and MPEG-2 video in an mpg file
        marked: list[int] = []  # video packets that are marked as corrupt
        video = self.file.video
        counted = video is not None and _is_counted(container, video)
        located = container.format.name in ("mpeg", "mpegts")
        with log.listening() as entries:
            try:
                for packet in container.demux(streams):
                    if not packet.size:
                        continue
                    index = packet.stream_index
                    is_video = video is not None and index == video.index
                    if is_video and packet.is_corrupt:
                        marked.append(len(rows[index]))
                    if is_video and counted:
                        heads.append(mpeg_clock.frame_head(bytes(packet)))
                    if located:
                        self._places[index].append(-1 if packet.pos is None else packet.pos)
                        self._sizes[index].append(packet.size)
                    rows[index].append(_row(packet))
                    if self._kept is not None:
                        self._kept[index].append(packet)
                    if entries:
                        log.take(entries)
            except av.FFmpegError as error:
                log.damaged = True
                log.lines.append(str(error))
        for stream in streams:
            table = PacketTable.of(rows[stream.index], float(stream.time_base or 0) or 1e-6)
            if stream is video and heads and table.jump_s is None:
                rate = round(stream.guessed_rate or stream.average_rate or 25)
                times = mpeg_clock.even_times(table.pts, table.duration, heads, rate)
                table = table.with_pts(times)
            self.tables[stream.index] = table
        if marked and container.format.name == "mpegts":
            self.cut_off = marked[-1] == len(rows[video.index]) - 1
            self._whole = _whole_packets(self.file.path, self._places[video.index], marked)

    def _again(self, stream: Any, first: int) -> Iterator[tuple[int, Any]]:
        container = self.file.open_container()
        try:
            if first and container.format.name == "mpeg":
                numbered = self._from_place(container, stream.index, first)
            else:
                numbered = self._from_time(container, stream.index, first)
            if numbered is None:  # the seek led astray: read from the start
                self.file.release(container)
                container = self.file.open_container()
                numbered = enumerate(_demux(container, stream.index))
            for number, packet in numbered:
                if number >= first:
                    yield number, packet
        except av.FFmpegError:
            self.file.log.damaged = True
        finally:
            self.file.release(container)

    def _from_time(
        self, container: Any, index: int, first: int
    ) -> Iterator[tuple[int, Any]] | None:
        """Packets from `first` or one before it; None where a number would be uncertain."""
        if first == 0:
            return enumerate(_demux(container, index))
        table, track = self.tables[index], container.streams[index]
        try:
            container.seek(int(table.dts[first]), stream=track, backward=True)
            packet = next(_demux(container, index))
            same = np.flatnonzero(
                (table.dts == (packet.dts if packet.dts is not None else packet.pts))
                & (table.pts == (packet.pts if packet.pts is not None else packet.dts))
            )
            if len(same) != 1 or same[0] > first:
                return None
            container.seek(int(table.dts[first]), stream=track, backward=True)
        except (av.FFmpegError, StopIteration, TypeError):
            return None
        return enumerate(_demux(container, index), int(same[0]))

    def _from_place(
        self, container: Any, index: int, first: int
    ) -> Iterator[tuple[int, Any]] | None:
        """The same in an mpg file, by the place of the packet in the file.

        The times that FFmpeg gives there depend on where reading begins, so packets get those of
        the first reading.
        """
        places, sizes = self._places[index], self._sizes[index]
        before = sorted({place for place in places[: first + 1] if place >= 0})
        if len(before) <= RUN_IN_PLACES:
            return enumerate(_demux(container, index))
        container.seek(before[-RUN_IN_PLACES], unsupported_byte_offset=True)
        packets = _demux(container, index)
        number = None
        last_place = None
        for packet in packets:
            place = -1 if packet.pos is None else packet.pos
            if number is None and last_place not in (None, place) and place in before:
                number = places.index(place)
            last_place = place
            if number is None:
                continue
            if number > first or (place, packet.size) != (places[number], sizes[number]):
                return None
            if number == first:
                return self._with_times(index, _chain(packet, packets), first)
            number += 1
        return None

    def _with_times(
        self, index: int, packets: Iterator[Any], first: int
    ) -> Iterator[tuple[int, Any]]:
        table = self.tables[index]
        for number, packet in enumerate(packets, first):
            if number >= len(table):
                return
            packet.pts, packet.dts = int(table.pts[number]), int(table.dts[number])
            yield number, packet


def _demux(container: Any, index: int) -> Iterator[Any]:
    for stream in container.streams:
        if stream.index != index:
            stream.discard = Discard.all
    for packet in container.demux(container.streams[index]):
        if packet.size:
            yield packet


def _chain(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others


def _row(packet: Any) -> Row:
    return packet.pts, packet.dts, packet.duration, packet.is_keyframe, packet.is_discard


def _is_counted(container: Any, stream: Any) -> bool:
    """Whether the times of the frames are checked by counting them."""
    codec = stream.codec_context
    return container.format.name == "mpeg" and codec and codec.name in mpeg_clock.CODECS


def _whole_packets(path: Path, places: list[int], marked: list[int]) -> set[int]:
    """Of the packets that a transport stream marks as corrupt, those that lack no data.

    places: where every packet begins in the file.
    """
    whole = set()
    for number in marked:
        later = (place for place in places[number + 1 :] if place > places[number])
        end = next(later, None)
        if end is not None and not data_is_missing(path, places[number], end):
            whole.add(number)
    return whole


def _empty_lists(streams: list[Any]) -> dict[int, list[Any]]:
    """An empty list for each track."""
    return {stream.index: [] for stream in streams}
