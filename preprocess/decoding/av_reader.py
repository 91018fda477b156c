"""One clip by PyAV, which opens the file once. The av_*.py files are the only importers of av.

Every packet's time is read before anything is decoded (av_file.py). So it is known which packets
show at k/2 s, at which key frame decoding begins, and which packets no frame depends on
(av_video.py). Where the times cannot be trusted, or the decoder complains, every frame is decoded
and its own time decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semanticmac.preprocess.decoding.av_audio import read_audio
from semanticmac.preprocess.decoding.av_file import MediaFile
from semanticmac.preprocess.decoding.av_video import read_video
from semanticmac.preprocess.decoding.request import DecodeRequest, Media


def read(request: DecodeRequest) -> Media:
    """Decode one clip. The file stays open for the next segment of it."""
    file = open_file(request.path)
    try:
        request.check(file.info)
        video = read_video(file, request) if file.video else None
        audio, notes = read_audio(file, request) if file.audio_streams else (None, ())
    except BaseException:
        forget()
        raise
    if request.whole:
        forget()
    if request.whole and file.cut_off:
        notes = (*notes, "the last frame of the file is incomplete: the file is truncated")
    return Media(file.info, video, audio, (*file.notes, *notes))


_open: dict[tuple[Path, int, int], MediaFile] = {}


def open_file(path: Path) -> MediaFile:
    """The file, opened and indexed. The last one stays open until it changes on the disk."""
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
        parts = data.split(b"\0\0\1")[1:]
        return any(part and _is_entry(part[0], hevc) for part in parts)
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
