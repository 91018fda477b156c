"""Frames and audio of one clip by PyAV, which opens the file once. The only importer of av.

Every packet's time is read before anything is decoded. So it is known which packets show at
k/2 s, at which key frame decoding begins, and which packets no frame depends on. Where the times
cannot be trusted, or the decoder complains, every frame is decoded and its own time decides.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.sidedata.sidedata import Type as SideData
from av.stream import Discard, Disposition

from semanticmac.cache.records import TIE_S
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.audio import AudioRun, assemble
from semanticmac.preprocess.decoding.frames import FrameSizer, tone_map, upright
from semanticmac.preprocess.decoding.probe import (
    CONTAINERS,
    MediaInfo,
    VideoTrack,
    first_complaint,
    open_error,
)
from semanticmac.preprocess.decoding.request import (
    LEAD_S,
    MINUTE_S,
    OVERHANG_S,
    SLACK_S,
    DecodeRequest,
    Media,
    Video,
)
from semanticmac.preprocess.decoding.timeline import USUAL_S, PacketTable, usual_step_s

KEEP_BYTES = 64 << 20  # of packets in memory; of a larger file, packets are read again
RESYNC_S = 0.1  # an audio clock that is off by more begins a new run
MAX_LOG_LINES = 200
TRANSFERS: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}  # AVColorTransferCharacteristic
# The codecs whose frames carry the time of their packet. Others decode every frame.
PLANNED_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg2video")
UNTIMED_CONTAINERS = ("avi", "h264", "hevc", "m4v", "mpegvideo", "ivf", "obu")
DAMAGE = (
    "error while decoding", "Error submitting", "Error splitting", "ended prematurely",
    "partial file", "Invalid NAL", "invalid as first byte", "exceeds containing", "exceeds max",
    "Read error", "Truncating packet", "corrupt",
)  # fmt: skip


def read(request: DecodeRequest) -> Media:
    """Decode one clip. The file stays open for the next segment of it."""
    file = open_file(request.path)
    try:
        request.check(file.info)
        video = _read_video(file, request) if file.video else None
        audio, notes = _read_audio(file, request) if file.audio_streams else (None, ())
    except BaseException:
        forget()
        raise
    if request.whole:
        forget()
    return Media(file.info, video, audio, (*file.notes, *notes))


_open: dict[tuple[Path, int, int], MediaFile] = {}


def open_file(path: Path) -> MediaFile:
    """The file, opened and indexed. The last one stays open while it does not change on the disk."""
    status = path.stat()
    key = (path, status.st_size, status.st_mtime_ns)
    if key not in _open:
        forget()
        _open[key] = MediaFile(path, status.st_size)
    return _open[key]


def forget() -> None:
    """Close the file that stayed open."""
    for file in _open.values():
        file.close()
    _open.clear()


class Log:
    """What FFmpeg's libraries complain of, and whether it is damage."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.damaged = False

    @contextmanager
    def listening(self, level: int = av.logging.ERROR) -> Iterator[list[tuple[int, str, str]]]:
        av.logging.set_skip_repeated(False)
        av.logging.set_level(level)
        with av.logging.Capture() as entries:
            try:
                yield entries
            finally:
                self.take(entries)

    def take(self, entries: list[tuple[int, str, str]]) -> None:
        for level, _, message in entries:
            if level <= av.logging.ERROR and any(word in message for word in DAMAGE):
                self.damaged = True
            if len(self.lines) < MAX_LOG_LINES:
                self.lines.append(message.strip())
        entries.clear()

    def text(self) -> bytes:
        return "\n".join(self.lines).encode()


class MediaFile:
    """One open file: what it holds, the packet tables of its tracks, and their packets."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.log = Log()
        self.notes: tuple[str, ...] = ()
        self._containers: list[Any] = []
        self._used: set[int] = set()
        self.container = self.open_container()
        self._guessed = any("from bitrate" in line for line in self.log.lines)
        self.log.damaged = False
        self.video = self._pick_video()
        self.audio_streams = self._playable_audio()
        self._read_packets(size_bytes)
        self.audio_stream: Any = None  # chosen when audio is first read
        self.frames = FrameSource(self) if self.video and _can_decode(self.video) else None
        self.info = self._describe()
        self.minutes: dict[tuple[int, int, int], tuple[np.ndarray, tuple[str, ...]]] = {}

    def open_container(self) -> Any:
        """A new reader of the file from its start. Raises DecodeError with the reason."""
        options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        # An absolute path behind `file:`: a name may look like an address.
        name = f"file:{self.path.absolute()}"
        try:
            with self.log.listening(av.logging.WARNING):
                container = av.open(name, options=options, metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise DecodeError(open_error(self.log.text() + f"\n{error}".encode())) from None
        self._containers.append(container)
        return container

    def close(self) -> None:
        self.frames = None
        self.video_packets = self.audio_packets = None
        for container in self._containers:
            container.close()
        self._containers = []

    def _pick_video(self) -> Any:
        """The default track, else the first one that can be decoded; cover art is none."""
        tracks = self._video_tracks()
        playable = [stream for stream in tracks if _can_decode(stream)]
        if not playable:
            return tracks[0] if tracks else None
        chosen = min(playable, key=_default_first)
        if len(tracks) > 1:
            number = tracks.index(chosen) + 1
            self.notes += (f"the file has {len(tracks)} video tracks: track {number} was read",)
        return chosen

    def _video_tracks(self) -> list[Any]:
        still = Disposition.attached_pic | Disposition.timed_thumbnails
        streams = self.container.streams.video
        return [stream for stream in streams if not stream.disposition & still]

    def _playable_audio(self) -> list[Any]:
        """The tracks that can be decoded, the default one first."""
        playable = [stream for stream in self.container.streams.audio if _can_decode(stream)]
        return sorted(playable, key=_default_first)

    @contextmanager
    def audio_decoder(self, stream: Any) -> Iterator[Any]:
        """A decoder of an audio track that has decoded nothing yet.

        Some codecs add noise from a random state that outlives a flush, and a segment must not
        depend on what was read before it.
        """
        if stream.index not in self._used:
            self._used.add(stream.index)
            yield stream.codec_context
            return
        container = self.open_container()
        try:
            yield container.streams[stream.index].codec_context
        finally:
            container.close()
            self._containers.remove(container)

    def _read_packets(self, size_bytes: int) -> None:
        """Read every packet once: their times, and the packets themselves of a file that is small."""
        streams = [*([self.video] if self.video else []), *self.audio_streams]
        keep = size_bytes <= KEEP_BYTES
        rows: dict[int, list[tuple[int | None, int | None, int, bool, bool]]] = {}
        packets: dict[int, list[Any]] = {}
        for stream in streams:
            rows[stream.index] = []
            packets[stream.index] = []
        wanted = rows.keys()
        for stream in self.container.streams:
            if stream.index not in wanted:
                stream.discard = Discard.all
        with self.log.listening() as entries:
            try:
                for packet in self.container.demux(streams):
                    if not packet.size:
                        continue
                    index = packet.stream_index
                    rows[index].append(_row(packet))
                    if keep:
                        packets[index].append(packet)
                    if entries:
                        self.log.take(entries)
            except av.FFmpegError as error:
                self.log.damaged = True
                self.log.lines.append(str(error))
        self.tables: dict[int, PacketTable] = {}
        for stream in streams:
            table = PacketTable.of(rows[stream.index], float(stream.time_base or 0) or 1e-6)
            self.tables[stream.index] = table
        self.kept: dict[int, list[Any]] | None = packets if keep else None

    def audio_end_s(self) -> float:
        """The end of the longest audio track on the file's clock; 0 without one."""
        tables = [self.tables[stream.index] for stream in self.audio_streams]
        return max((table.end_s for table in tables if len(table.order)), default=0.0)

    def packets(self, stream: Any, first: int) -> Iterator[tuple[int, Any]]:
        """(number, packet) of one track from packet `first` on."""
        if self.kept is not None:
            for number in range(first, len(self.kept[stream.index])):
                yield number, self.kept[stream.index][number]
            return
        yield from self._packets_again(stream, first)

    def _packets_again(self, stream: Any, first: int) -> Iterator[tuple[int, Any]]:
        table = self.tables[stream.index]
        container = self.open_container()
        try:
            track = container.streams[stream.index]
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
            number = self._seek(container, track, table, first) if first else 0
            if number is None:  # the seek led astray: read from the start
                container.close()
                container = self.open_container()
                track = container.streams[stream.index]
                number = 0
            for packet in container.demux(track):
                if not packet.size:
                    continue
                if number >= first:
                    yield number, packet
                number += 1
        except av.FFmpegError:
            self.log.damaged = True
        finally:
            container.close()
            self._containers.remove(container)

    def _seek(self, container: Any, track: Any, table: PacketTable, first: int) -> int | None:
        """Go to packet `first` or one before it; its number, or None where it is not known."""
        if container.format.name == "mpeg":
            return None  # times that are guessed depend on where reading begins
        try:
            container.seek(int(table.dts[first]), stream=track, backward=True)
            packet = next(iter(container.demux(track)))
            same = np.flatnonzero(
                (table.dts == (packet.dts if packet.dts is not None else packet.pts))
                & (table.pts == (packet.pts if packet.pts is not None else packet.dts))
            )
            if len(same) != 1 or same[0] > first:
                return None
            container.seek(int(table.dts[first]), stream=track, backward=True)
            return int(same[0])
        except (av.FFmpegError, StopIteration, TypeError):
            return None

    def _describe(self) -> MediaInfo:
        container = self.container
        duration_s = None
        if container.duration is not None and container.duration > 0 and not self._guessed:
            duration_s = container.duration / 1e6
        start_s = (container.start_time or 0) / 1e6
        if duration_s is not None and start_s > SLACK_S:
            # Some Matroska files state the time at their end instead.
            ends_s = [table.end_s for table in self.tables.values() if len(table.order)]
            if abs(max(ends_s, default=0.0) - duration_s) < SLACK_S:
                duration_s -= start_s
        video = self._describe_video(start_s) if self.video else None
        others = [s for s in container.streams if s.type not in ("audio", "video")]
        return MediaInfo(
            container.format.name,
            duration_s,
            start_s,
            video,
            len(container.streams.audio),
            not others,
            len(self._video_tracks()),
        )

    def _describe_video(self, file_start_s: float) -> VideoTrack:
        stream, codec = self.video, self.video.codec_context
        table = self.tables[stream.index]
        has_frames = len(table) and len(table.order)
        return VideoTrack(
            codec=codec.name if codec else "none",
            pixels=(codec.pix_fmt if codec else None) or "none",
            width=codec.width if codec else 0,
            height=codec.height if codec else 0,
            pixel_aspect=1.0,  # of each frame when it is decoded
            start_s=self.frames.first_s() if self.frames and has_frames else file_start_s,
            turned=False,
            alone=len(self.container.streams.video) == 1,
            hdr=bool(codec) and codec.color_trc in TRANSFERS,
        )


def _row(packet: Any) -> tuple[int | None, int | None, int, bool, bool]:
    return packet.pts, packet.dts, packet.duration, packet.is_keyframe, packet.is_discard


def _can_decode(stream: Any) -> bool:
    codec = stream.codec_context
    return codec is not None and codec.codec is not None and codec.is_decoder


def _default_first(stream: Any) -> tuple[bool, int]:
    return not stream.disposition & Disposition.default, stream.index


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
        self._converter: tuple[object, Any] = (None, None)  # settings, filter graph
        self._packets: Iterator[tuple[int, Any]] | None = None
        self._next = 0  # the packet that the decoder gets next
        self.concealed = 0
        self.interlaced = False
        self.hdr = False

    @property
    def untimed(self) -> bool:
        """Whether the container knows the order of decoding alone."""
        return self.file.container.format.name.split(",")[0] in UNTIMED_CONTAINERS

    def planned(self) -> bool:
        """Whether the packets tell the time of every frame."""
        return self.table.complete and self.codec.name in PLANNED_CODECS and not self.untimed

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
            for frame in self._frames(entry, wanted):
                if not begun and entry and not self._resumed and not frame.key_frame:
                    break  # the container calls this a key frame, the codec does not
                begun = True
                if frame.is_corrupt:
                    raise DecoderFailed("a frame is damaged")
                if frame.pts in pending:
                    pending.remove(frame.pts)
                    yield frame.pts, frame
                if not pending:
                    return
            if pending != wanted:
                break
        raise DecoderFailed(f"{len(pending)} frames are missing")

    def _entries(self, first: int, shown_first: int) -> list[int]:
        """Where decoding may begin: where it stopped, if that is nearer than the key frame before."""
        entries = self.table.entries(shown_first)
        self._resumed = False
        if self._packets is not None and entries[0] <= self._next <= first:
            return [self._next, *entries]
        return entries

    def every(self, entry: int) -> Iterator[Any]:
        """Every frame from a key packet on, in the order of their times."""
        self._resumed = False
        self._packets = None
        yield from self._frames(entry, None)
        self._packets = None

    def _frames(self, entry: int, wanted: set[int] | None) -> Iterator[Any]:
        self._resumed = self._packets is not None and entry == self._next
        if not self._resumed:
            self._start(entry)
        codec, log = self.codec, self.file.log
        assert self._packets is not None
        with log.listening() as entries:
            for number, packet in self._packets:
                self._next = number + 1
                needed = wanted is None or packet.pts in wanted
                codec.skip_frame = "DEFAULT" if needed else "NONREF"
                yield from self._decode(packet)
                if entries:
                    log.take(entries)
                    if log.damaged and wanted is not None:
                        raise DecoderFailed("the decoder complains")
            self._packets = None
            yield from self._decode(None)

    def _start(self, entry: int) -> None:
        self.codec.flush_buffers()
        self._packets = self.file.packets(self.stream, entry)
        self._next = entry

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return list(self.codec.decode(packet))
        except av.EOFError:
            return []
        except av.FFmpegError:
            self.file.log.damaged = True
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


def _read_video(file: MediaFile, request: DecodeRequest) -> Video | None:
    source, segment = file.frames, request.segment
    if source is None:
        raise DecodeError("no picture of the video track could be read: its codec is not known")
    table = source.table
    if not len(table) or not len(table.order):
        raise DecodeError(_no_picture(file))
    if table.jump_s is not None:
        raise DecodeError(
            f"the file's clock jumps back at {table.jump_s - file.info.zero_s:.1f} s: "
            "it was joined from several; encode it once more"
        )
    origin_s = segment.start_s + file.info.zero_s
    damaged_before = file.log.damaged
    if source.planned():
        segment.refuse_endless(table.end_s - origin_s)
        if not damaged_before:
            try:
                return _planned(file, request, origin_s)
            except DecoderFailed:
                pass
    try:
        return _decode_all(file, request, origin_s)
    finally:
        file.log.damaged = damaged_before


def _planned(file: MediaFile, request: DecodeRequest, origin_s: float) -> Video:
    source, segment = file.frames, request.segment
    assert source is not None
    table = source.table
    end_s = table.end_s - origin_s
    times = np.arange(segment.count(min(end_s, segment.limit_s))) / segment.rate
    positions = table.showing_at(times + origin_s)
    packets = table.order[positions]
    if end_s < segment.limit_s and file.audio_end_s() - origin_s > end_s + SLACK_S:
        packets = np.append(packets, table.order[-1])  # stays while the audio goes on
    sizer = FrameSizer(request.sampling.short_side_px, request.crop)
    resized: dict[int, np.ndarray] = {}
    for pts, frame in source.wanted(packets):
        picture, aspect = source.rgb(frame, request.limits.max_side_px)
        resized[pts] = sizer(picture, aspect)
    frames = [resized[int(table.pts[packet])] for packet in packets]
    start_s = float(table.starts_s[0]) - origin_s
    return Video(frames, start_s, end_s, notes=_video_notes(source, sizer))


def _decode_all(file: MediaFile, request: DecodeRequest, origin_s: float) -> Video:
    """Every frame is decoded; the last one that began at or before k/rate is the one that shows."""
    source, segment, log = file.frames, request.segment, file.log
    assert source is not None
    first_packet = int(source.table.order[source.table.showing_at(np.array([origin_s]))[0]])
    for entry in source.table.entries(first_packet):
        scan = FrameScan(request)
        key_first = True
        for frame in source.every(entry):
            if not scan.starts_s and entry and not frame.key_frame:
                key_first = False
                break
            time_s = source_time_s(source, frame, scan) - origin_s
            if not scan.add(source, frame, time_s):
                break
        if key_first and scan.starts_s and (scan.starts_s[0] <= TIE_S or entry == 0):
            break
    if not scan.starts_s:
        raise DecodeError(_no_picture(file))
    return scan.finish(log.damaged, source)


def source_time_s(source: FrameSource, frame: Any, scan: FrameScan) -> float:
    """The frame's time on the file's clock. An avi has only the order of decoding (dts)."""
    ticks = frame.dts
    if frame.pts is not None and not source.untimed:
        ticks = frame.pts
    if ticks is not None:
        scan.last_ticks = ticks
        return float(ticks * source.table.tick_s)
    rate = source.stream.guessed_rate or source.stream.average_rate
    step = (1 / float(rate) if rate else USUAL_S) / source.table.tick_s
    scan.last_ticks = 0.0 if scan.last_ticks is None else scan.last_ticks + step
    return float(scan.last_ticks * source.table.tick_s)


class FrameScan:
    """Picks frames while all of them pass by."""

    def __init__(self, request: DecodeRequest) -> None:
        self.request = request
        self.sizer = FrameSizer(request.sampling.short_side_px, request.crop)
        self.starts_s: list[float] = []  # of every frame, from the clip's start
        self.duration_s = 0.0  # of the last frame; 0 = not stated
        self.concealed = 0
        self.frames: list[np.ndarray] = []
        self.last_ticks: float | None = None
        self._shown: Any = None

    def add(self, source: FrameSource, frame: Any, time_s: float) -> bool:
        """Take the next frame; False once no more are needed."""
        segment = self.request.segment
        segment.refuse_endless(time_s)
        if self.starts_s and time_s < self.starts_s[-1] - SLACK_S:
            return True  # a damaged frame that came out of order
        self._pick(source, time_s)
        self._shown = frame
        self.starts_s.append(time_s)
        self.duration_s = (frame.duration or 0) * source.table.tick_s
        if frame.is_corrupt and time_s >= 0:
            self.concealed += 1
        return time_s < segment.limit_s

    def _pick(self, source: FrameSource, until_s: float) -> None:
        """The frame that is showing stands for every k/rate before the next one begins."""
        segment = self.request.segment
        if self._shown is None:
            return
        count = segment.count(segment.limit_s)
        picture = None
        while len(self.frames) < count and len(self.frames) / segment.rate + TIE_S < until_s:
            if picture is None:
                picture = self.sizer(*source.rgb(self._shown, self.request.limits.max_side_px))
            self.frames.append(picture)

    def finish(self, damaged: bool, source: FrameSource) -> Video:
        starts = np.asarray(self.starts_s)
        damaged = damaged or self.concealed > 0
        end_s = float(starts.max()) + (self.duration_s or usual_step_s(np.sort(starts)))
        self.request.segment.refuse_endless(end_s)
        self._pick(source, end_s)
        if end_s < self.request.segment.limit_s:  # the last frame stays while the audio goes on
            picture, aspect = source.rgb(self._shown, self.request.limits.max_side_px)
            self.frames.append(self.sizer(picture, aspect))
        lost_s = self._lost_s(np.sort(starts)) if damaged else 0.0
        notes = _video_notes(source, self.sizer)
        return Video(self.frames, float(starts.min()), end_s, lost_s, damaged, notes)

    def _lost_s(self, starts: np.ndarray) -> float:
        """Seconds of the clip without a whole frame."""
        if len(starts) < 2:
            return 0.0
        steps, usual_s = np.diff(starts), usual_step_s(starts)
        limit_s = self.request.segment.limit_s
        gaps = (steps > SLACK_S) & (starts[1:] > 0) & (starts[:-1] < limit_s)
        return float((steps[gaps] - usual_s).sum()) + self.concealed * usual_s


def _video_notes(source: FrameSource, sizer: FrameSizer) -> tuple[str, ...]:
    notes = []
    if sizer.barred:
        notes.append("the picture changes its shape: black bars keep its proportions")
    if source.hdr:
        notes.append("the video is HDR: it was tone-mapped to SDR")
    if source.interlaced:
        notes.append("the video is interlaced: one field of each picture was read")
    return tuple(notes)


def _no_picture(file: MediaFile) -> str:
    state = "the file is truncated or damaged" if file.log.damaged else "the file may hold none"
    complaint = first_complaint(file.log.text().splitlines())
    return f"no picture of the video track could be read: {state} ({complaint})"


def _read_audio(file: MediaFile, request: DecodeRequest) -> tuple[np.ndarray, tuple[str, ...]]:
    if file.audio_stream is None:
        _choose_audio(file)
    return AudioSource(file).read(request)


def _choose_audio(file: MediaFile) -> None:
    """The first track that is not silent, the default one before the others."""
    candidates = file.audio_streams
    chosen = candidates[0]
    tracks = file.container.streams.audio
    if len(candidates) > 1:
        audible = (stream for stream in candidates if AudioSource(file, stream).audible())
        chosen = next(audible, chosen)
    if len(tracks) > 1:
        number = tracks.index(chosen) + 1
        file.notes += (f"the file has {len(tracks)} audio tracks: track {number} was read",)
    file.audio_stream = chosen


class AudioSource:
    """Decodes one audio track to mono."""

    def __init__(self, file: MediaFile, stream: Any = None) -> None:
        self.file = file
        self.stream = stream or file.audio_stream
        self.table = file.tables[self.stream.index]
        # Its last packet says how much of it is heard; the decoder does not know.
        self.ends_exactly = file.info.container.startswith("mov") and self.table.complete
        # Recordings one after the other in one file begin at 0 s again.
        self.chained = file.video is None

    def audible(self) -> bool:
        """Whether the track holds more than digital silence; it is decoded until it does."""
        for frame, _ in self._frames(0):
            samples = frame.to_ndarray()
            level = np.abs(samples).max() if samples.size else 0
            if np.issubdtype(samples.dtype, np.integer):
                level = level / np.iinfo(samples.dtype).max
            if level > 4 / 32768:
                return True
        return False

    def read(self, request: DecodeRequest) -> tuple[np.ndarray, tuple[str, ...]]:
        """(n,) int16 from the clip's start to its end, the track's end, or 1 s beyond the limit."""
        segment = request.segment
        rate_hz = request.sampling.sample_rate_hz
        if segment.wanted_s is None:
            return self._samples(segment.start_s, segment.max_s + 1, rate_hz)
        count = round(segment.wanted_s * rate_hz)
        minute = int(segment.start_s // MINUTE_S)
        within_s = segment.start_s - minute * MINUTE_S
        if within_s + segment.wanted_s <= MINUTE_S + OVERHANG_S:
            samples, notes = self._minute(minute, rate_hz)
            first = round(within_s * rate_hz)
            return samples[first : first + count], notes
        samples, notes = self._samples(segment.start_s, segment.wanted_s + 1, rate_hz)
        return samples[:count], notes

    def _minute(self, minute: int, rate_hz: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """A minute of the file and its overhang; segments follow one another closely.

        Where a minute begins does not depend on the segments that are asked for, so neither do
        their samples.
        """
        minutes = self.file.minutes
        key = (self.stream.index, minute, rate_hz)
        if key not in minutes:
            while len(minutes) >= 4:
                minutes.pop(next(iter(minutes)))
            minutes[key] = self._samples(minute * MINUTE_S, MINUTE_S + OVERHANG_S, rate_hz)
        return minutes[key]

    def _samples(
        self, start_s: float, length_s: float, rate_hz: int
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        origin_s = start_s + self.file.info.zero_s
        if self.ends_exactly and len(self.table):
            length_s = min(length_s, max(0.0, self.table.end_s - origin_s))
        runs = list(self._runs(origin_s, length_s, rate_hz))
        samples, cancelled = assemble(runs, round(length_s * rate_hz))
        note = "the channels of the sound cancel in the mix: the louder one was taken"
        return samples, (note,) if cancelled else ()

    def _runs(self, origin_s: float, length_s: float, rate_hz: int) -> Iterator[AudioRun]:
        """Stretches of one format without a gap, resampled, from origin_s on."""
        first = 0
        if self.table.complete and len(self.table):
            first = int(self.table.showing_at(np.array([origin_s - LEAD_S]))[0])
        run: _OpenRun | None = None
        for frame, time_s in self._frames(first):
            time_s -= origin_s
            if time_s >= length_s:
                break
            if run is not None and not run.continues(frame, time_s):
                yield run.close()
                run = None
            if run is None:
                run = _OpenRun(frame, time_s, rate_hz)
            run.add(frame)
        if run is not None:
            yield run.close()

    def _frames(self, first: int) -> Iterator[tuple[Any, float]]:
        """(frame, its time on the file's clock) from a packet on."""
        offset_s, end_s = 0.0, None
        log = self.file.log
        with log.listening() as entries:
            for frame in self._decoded(first):
                if entries:
                    log.take(entries)
                ticks = frame.pts
                time_s = float(ticks * self.table.tick_s) if ticks is not None else end_s or 0.0
                if ticks is not None:
                    time_s += offset_s
                if self.chained and end_s is not None and time_s < end_s - RESYNC_S:
                    offset_s += end_s - time_s
                    time_s = end_s
                end_s = time_s + frame.samples / frame.sample_rate
                yield frame, time_s

    def _decoded(self, first: int) -> Iterator[Any]:
        with self.file.audio_decoder(self.stream) as codec:
            for _, packet in self.file.packets(self.stream, first):
                yield from _audio_frames(codec, packet)
            yield from _audio_frames(codec, None)


def _audio_frames(codec: Any, packet: Any) -> list[Any]:
    try:
        frames = codec.decode(packet)
    except av.FFmpegError:
        return []
    return [frame for frame in frames if frame.samples and frame.sample_rate]


class _OpenRun:
    """A run that still grows."""

    def __init__(self, frame: Any, start_s: float, rate_hz: int) -> None:
        self.format = _format(frame)
        self.start_s = start_s
        self.rate_hz = rate_hz
        self.channels = 1 if frame.layout.nb_channels == 1 else 2
        self.resampler = AudioResampler("s16", "mono" if self.channels == 1 else "stereo", rate_hz)
        self.taken = 0  # samples at the source's rate
        self.parts: list[np.ndarray] = []

    def continues(self, frame: Any, time_s: float) -> bool:
        expected_s = self.start_s + self.taken / frame.sample_rate
        return _format(frame) == self.format and abs(time_s - expected_s) <= RESYNC_S

    def add(self, frame: Any) -> None:
        self.taken += frame.samples
        frame.pts = None
        self._store(self.resampler.resample(frame))

    def close(self) -> AudioRun:
        self._store(self.resampler.resample(None))
        length = round(self.taken * self.rate_hz / self.format[0])
        samples = np.concatenate(self.parts)[:length]
        start = round(self.start_s * self.rate_hz)
        return AudioRun(start, samples) if start >= 0 else AudioRun(0, samples[-start:])

    def _store(self, frames: Sequence[Any]) -> None:
        for frame in frames:
            self.parts.append(frame.to_ndarray().reshape(-1, self.channels))


def _format(frame: Any) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def keys_are_clean(path: Path) -> bool:
    """Whether a decoder can begin at every key packet, and all of them have one picture format."""
    file = open_file(path)
    stream = file.video
    if stream is None:
        return False
    table, codec = file.tables[stream.index], stream.codec_context
    heads = set()
    for number, packet in file.packets(stream, 0):
        if not table.key[number]:
            continue
        data = bytes(packet)
        if codec.name in ("vp8", "vp9"):
            # The frame header up to the size: 10 bytes, or 8 and a half.
            heads.add(data[3:10] if codec.name == "vp8" else data[:8])
        elif not _begins_clean(data, codec):
            return False
    return len(heads) <= 1


def _begins_clean(data: bytes, codec: Any) -> bool:
    """Whether a packet holds an IDR (H.264) or IRAP (HEVC) picture."""
    extradata = codec.extradata or b""
    hevc = codec.name == "hevc"
    if extradata[:1] != b"\x01":  # start codes instead of lengths
        return any(_is_entry(part[0], hevc) for part in data.split(b"\0\0\1")[1:] if part)
    size_bytes = (extradata[21] if hevc else extradata[4]) % 4 + 1
    position = 0
    while position + size_bytes < len(data):
        length = int.from_bytes(data[position : position + size_bytes])
        if _is_entry(data[position + size_bytes], hevc):
            return True
        position += size_bytes + length
    return False


def _is_entry(header: int, hevc: bool) -> bool:
    return 16 <= header >> 1 & 63 <= 23 if hevc else header & 31 == 5
