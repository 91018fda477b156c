"""The audio of one clip from an open file: the right track, resampled, every part at its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from semanticmac.preprocess.decoding.audio import AudioRun, assemble
from semanticmac.preprocess.decoding.av_file import MediaFile
from semanticmac.preprocess.decoding.request import LEAD_S, MINUTE_S, OVERHANG_S, DecodeRequest

RESYNC_S = 0.1  # an audio clock that is off by more begins a new run


def read_audio(file: MediaFile, request: DecodeRequest) -> tuple[np.ndarray, tuple[str, ...]]:
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
        if self.ends_exactly and len(self.table.order):
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
