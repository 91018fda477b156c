"""One open file by PyAV: its tracks, the times of their packets, the packets, and complaints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.av_frames import TRANSFERS, FrameSource
from semanticmac.preprocess.decoding.av_packets import PacketReader
from semanticmac.preprocess.decoding.probe import CONTAINERS, MediaInfo, VideoTrack, open_error
from semanticmac.preprocess.decoding.request import SLACK_S
from semanticmac.preprocess.decoding.timeline import last_end_s

MAX_LOG_LINES = 200
DAMAGE = (
    "error while decoding", "Error submitting", "Error splitting", "ended prematurely",
    "partial file", "Invalid NAL", "invalid as first byte", "exceeds containing", "exceeds max",
    "Read error", "Truncating packet", "corrupt", "damaged",
)  # fmt: skip


class Log:
    """What FFmpeg's libraries complain of, and whether it is damage."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.damaged = False
        self.damages = 0  # complaints of damage
        self.errors = 0

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
            self.errors += level <= av.logging.ERROR
            if level <= av.logging.ERROR and any(word in message for word in DAMAGE):
                self.add_damage()
            if len(self.lines) < MAX_LOG_LINES:
                self.lines.append(message.strip())
        entries.clear()

    def add_damage(self) -> None:
        self.damaged = True
        self.damages += 1

    def has_guess(self) -> bool:
        """Whether the length of the file was guessed from its bit rate."""
        return any("from bitrate" in line for line in self.lines)

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
        self._guessed = self.log.has_guess()
        self.log.damaged = False
        self.video = self._pick_video()
        self.audio_streams = _playable(self.container.streams.audio)
        streams = [*([self.video] if self.video else []), *self.audio_streams]
        self._packets = PacketReader(self, streams, size_bytes)
        self.tables = self._packets.tables
        self.audio_stream: Any = None  # chosen when audio is first read
        self.frames = FrameSource(self) if self.video and _can_decode(self.video) else None
        self.info = self._describe()
        self.minutes: dict[tuple[int, int, int], tuple[np.ndarray, tuple[str, ...]]] = {}

    def open_container(self) -> Any:
        """A new reader of the file from its start. Raises DecodeError with the reason."""
        container = open_media(self.path, self.log)
        self._containers.append(container)
        return container

    def release(self, container: Any) -> None:
        """Close a reader that open_container gave."""
        container.close()
        self._containers.remove(container)

    @property
    def cut_off(self) -> bool:
        """Whether the last frame is marked as incomplete."""
        return self._packets.cut_off

    def close(self) -> None:
        self.frames = None
        for container in self._containers:
            container.close()
        self._containers = []

    def _pick_video(self) -> Any:
        """The default track, else the first one that can be decoded; cover art is none."""
        tracks = self._video_tracks()
        playable = _playable(tracks)
        if not playable:
            return tracks[0] if tracks else None
        chosen = playable[0]
        if len(tracks) > 1:
            number = tracks.index(chosen) + 1
            self.notes += (f"the file has {len(tracks)} video tracks: track {number} was read",)
        return chosen

    def _video_tracks(self) -> list[Any]:
        still = Disposition.attached_pic | Disposition.timed_thumbnails
        streams = self.container.streams.video
        return [stream for stream in streams if not stream.disposition & still]

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
            self.release(container)

    def audio_end_s(self) -> float:
        """The end of the longest audio track on the file's clock; 0 without one."""
        return last_end_s([self.tables[stream.index] for stream in self.audio_streams])

    def packets(self, stream: Any, first: int) -> Iterator[tuple[int, Any]]:
        """(number, packet) of one track from packet `first` on."""
        return self._packets.packets(stream, first)

    def _describe(self) -> MediaInfo:
        container = self.container
        duration_s = None
        if container.duration is not None and container.duration > 0 and not self._guessed:
            duration_s = container.duration / 1e6
        start_s = (container.start_time or 0) / 1e6
        if duration_s is not None and start_s > SLACK_S:
            # Some Matroska files state the time at their end instead.
            states_end = abs(last_end_s(self.tables.values()) - duration_s) < SLACK_S
            if states_end:
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


def open_media(path: Path, log: Log) -> Any:
    """PyAV's container of a file. Raises DecodeError with the reason."""
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    # An absolute path behind `file:`: a name may look like an address.
    name = f"file:{path.absolute()}"
    try:
        with log.listening(av.logging.WARNING):
            return av.open(name, options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise DecodeError(open_error(log.text() + f"\n{error}".encode())) from None


def header_length(path: Path) -> tuple[float | None, bool]:
    """The length that the header of a file states, in seconds, and whether it has audio.

    None where no length is stated, or where it is only guessed from the bit rate. Raises
    DecodeError for a file that cannot be opened.
    """
    log = Log()
    with open_media(path, log) as container:
        has_audio = any(_can_decode(stream) for stream in container.streams.audio)
        if log.has_guess() or not container.duration or container.duration < 0:
            return None, has_audio
        return container.duration / 1e6, has_audio


def _can_decode(stream: Any) -> bool:
    codec = stream.codec_context
    return codec is not None and codec.codec is not None and codec.is_decoder


def _playable(streams: Iterable[Any]) -> list[Any]:
    """The tracks that can be decoded, the default one first."""
    return sorted((stream for stream in streams if _can_decode(stream)), key=_default_first)


def _default_first(stream: Any) -> tuple[bool, int]:
    return not stream.disposition & Disposition.default, stream.index
