"""The frames of one clip that show at k/2 s, from an open file: as planned, or by decoding all."""

from __future__ import annotations

from typing import Any

import numpy as np

from semanticmac.cache.records import TIE_S
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.av_file import MediaFile
from semanticmac.preprocess.decoding.av_frames import DecoderFailed, FrameSource
from semanticmac.preprocess.decoding.frames import FrameSizer
from semanticmac.preprocess.decoding.probe import first_complaint
from semanticmac.preprocess.decoding.request import SLACK_S, DecodeRequest, Video
from semanticmac.preprocess.decoding.timeline import USUAL_S, usual_step_s


def read_video(file: MediaFile, request: DecodeRequest) -> Video | None:
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
    file.log.errors = 0
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
    decoded = packets
    if end_s < segment.limit_s and file.info.container == "mpegts":
        # No size in a transport stream tells whether its last packet is whole: the decoder does.
        decoded = np.append(packets, np.flatnonzero(~table.hidden)[-1])
    sizer = FrameSizer(request.sampling.short_side_px, request.crop)
    resized: dict[int, np.ndarray] = {}
    for pts, frame in source.wanted(decoded):
        picture, aspect = source.rgb(frame, request.limits.max_side_px)
        resized[pts] = sizer(picture, aspect)
    frames = [resized[int(table.pts[packet])] for packet in packets]
    start_s = float(table.starts_s[0]) - origin_s
    return Video(frames, start_s, end_s, notes=_video_notes(source, sizer))


def _decode_all(file: MediaFile, request: DecodeRequest, origin_s: float) -> Video:
    """Every frame is decoded; the last one that began at or before k/rate is the one that shows."""
    source, log = file.frames, file.log
    assert source is not None
    first_packet = int(source.table.order[source.table.showing_at(np.array([origin_s]))[0]])
    for entry in source.table.entries(first_packet):
        scan = FrameScan(request, origin_s)
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
    if not scan.sound:
        raise DecodeError(_no_picture(file))
    return scan.finish(log.damaged, source)


def source_time_s(source: FrameSource, frame: Any, scan: FrameScan) -> float:
    """The frame's time on the file's clock. An avi has only the order of decoding (dts)."""
    if source.table.evened and frame.opaque is not None:
        return float(source.table.pts[frame.opaque] * source.table.tick_s)
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

    def __init__(self, request: DecodeRequest, origin_s: float) -> None:
        self.request = request
        self.origin_s = origin_s  # of the clip, on the file's clock
        self.sizer = FrameSizer(request.sampling.short_side_px, request.crop)
        self.starts_s: list[float] = []  # of every frame, from the clip's start
        self.duration_s = 0.0  # of the last frame; 0 = not stated
        self.lost: list[bool] = []  # of every frame, whether it is damaged or predicted from damage
        self.frames: list[np.ndarray] = []
        self.last_ticks: float | None = None
        self.disordered = 0  # frames that came before an earlier time stamp
        self._shown: Any = None
        self._given: set[int] = set()  # numbers of the packets whose frames came
        self._intact_key = -1  # packet number of the last intact key frame

    @property
    def sound(self) -> bool:
        """Whether a frame without damage came."""
        return self._shown is not None

    def add(self, source: FrameSource, frame: Any, time_s: float) -> bool:
        """Take the next frame; False once no more are needed."""
        segment = self.request.segment
        segment.refuse_endless(time_s)
        if self.starts_s and time_s < self.starts_s[-1] - USUAL_S / 4:
            self.disordered += 1
        if self.starts_s and time_s < self.starts_s[-1] - SLACK_S:
            return True  # a damaged frame that came out of order
        self._pick(source, time_s)
        self.lost.append(self._is_lost(source, frame))
        # The last sound frame stays for a lost one, and the first one stands for those before it.
        if not self.lost[-1]:
            self._shown = frame
        self.starts_s.append(time_s)
        self.duration_s = (frame.duration or 0) * source.table.tick_s
        return time_s < segment.limit_s

    def _is_lost(self, source: FrameSource, frame: Any) -> bool:
        """Whether the frame is damaged, or damage came since the last intact key frame."""
        if frame.opaque is not None:
            self._given.add(frame.opaque)
        if source.is_damaged(frame):
            return True
        if frame.key_frame:
            self._intact_key = source.last_bad if frame.opaque is None else frame.opaque
            return False
        return source.last_bad > self._intact_key

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
        damaged = damaged or any(self.lost)
        end_s = float(starts.max()) + (self.duration_s or usual_step_s(np.sort(starts)))
        self.request.segment.refuse_endless(end_s)
        self._pick(source, end_s)
        if end_s < self.request.segment.limit_s:  # the last frame stays while the audio goes on
            picture, aspect = source.rgb(self._shown, self.request.limits.max_side_px)
            self.frames.append(self.sizer(picture, aspect))
        lost_s = self._lost_s(starts, end_s, self._missing(source)) if damaged else 0.0
        notes = _video_notes(source, self.sizer)
        if self.disordered:
            notes += (
                "the time stamps of frames are out of order: they are damaged, "
                "and frames may show at wrong times",
            )
        return Video(self.frames, float(starts.min()), end_s, lost_s, damaged, notes)

    def _missing(self, source: FrameSource) -> np.ndarray:
        """(n,) times of the packets for which the decoder gave no frame, from the clip's start."""
        table = source.table
        numbers = sorted(source.bad_packets - self._given)
        ticks = (table.dts if source.untimed else table.pts)[numbers]
        return ticks * table.tick_s - self.origin_s

    def _lost_s(self, starts: np.ndarray, end_s: float, missing: np.ndarray) -> float:
        """Seconds of the clip without a sound frame.

        A lost frame loses the time until the next one. After a sound frame only a gap of more than
        half a second counts.
        """
        usual_s = usual_step_s(np.sort(starts))
        lost = np.append(self.lost, np.ones(len(missing), bool))
        starts = np.append(starts, missing)
        order = np.argsort(starts, kind="stable")
        starts, lost = starts[order], lost[order]
        ends = np.append(starts[1:], max(end_s, starts[-1] + usual_s))
        gaps = ends - starts > SLACK_S
        lost_from = np.where(lost, starts, np.where(gaps, starts + usual_s, ends))
        limit_s = self.request.segment.limit_s
        return float((np.clip(ends, 0, limit_s) - np.clip(lost_from, 0, limit_s)).sum())


def _video_notes(source: FrameSource, sizer: FrameSizer) -> tuple[str, ...]:
    notes = []
    if sizer.barred:
        notes.append("the picture changes its shape: black bars keep its proportions")
    if source.hdr:
        notes.append("the video is HDR: it was tone-mapped to SDR")
    if source.interlaced:
        notes.append("the video is interlaced: one field of each picture was read")
    if source.odd_turn:
        notes.append(
            "the display matrix turns the frames by no quarter of a circle: "
            "it may be damaged, and it was passed over"
        )
    return tuple(notes)


def _no_picture(file: MediaFile) -> str:
    state = "the file is truncated or damaged" if file.log.damaged else "the file may hold none"
    complaint = first_complaint(file.log.text().splitlines())
    return f"no picture of the video track could be read: {state} ({complaint})"
