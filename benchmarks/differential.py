"""Films from a seed, read by every decoder: each frame against the truth, and against the others.

    python -m benchmarks.differential [--count 300] [--seed 0] [--decoders av,decord,ffmpeg]

Every frame of a film shows its own number in light and dark blocks. Container, codec, key frame
distance, B-frames, frame rate (even and uneven), the start of the clock, a late video, an edit
list, rotation, size and tracks are drawn from the seed. A whole film and one segment of it are
read by each decoder. The exit status is 1 where a frame is wrong, or where two decoders give other
pixels for the same frame.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.random import Generator

from benchmarks.common import report
from semanticmac.preprocess.clip import Clip, DecodeError, RawClip
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.decoding.request import Decoder

FRAMES = 60
SHOWN = 20  # of the wrong readings, in the report
TIE_S = 1e-4
MILLISECONDS = ("mkv", "webm", "flv", "wmv")  # their clocks are no finer
CODECS = {
    "mp4": ("h264", "hevc", "mpeg4", "vp9"),
    "mov": ("h264", "mpeg4", "mjpeg"),
    "mkv": ("h264", "hevc", "vp8", "vp9", "mpeg4", "mpeg2video", "ffv1"),
    "webm": ("vp8", "vp9"),
    "avi": ("mpeg4", "mjpeg", "ffv1", "h264"),
    "ts": ("h264", "hevc", "mpeg2video"),
    "mpg": ("mpeg1video", "mpeg2video"),
    "flv": ("h264", "flv"),
    "wmv": ("wmv2",),
    "ogv": ("theora",),
}
OPTIONS = {
    "h264": ("-c:v", "libx264", "-preset", "ultrafast"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast"),
    "vp8": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k"),
    "vp9": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k"),
    "theora": ("-c:v", "libtheora", "-q:v", "7"),
    "ffv1": ("-c:v", "ffv1"),
}
AUDIO = {"avi": "pcm_s16le", "webm": "libopus", "ogv": "libvorbis", "wmv": "wmav2", "mpg": "mp2"}
WITH_B_FRAMES = ("h264", "hevc", "mpeg4", "mpeg2video")
UNEVEN = ("mp4", "mov", "mkv", "webm")
LATE = ("mp4", "mov", "mkv", "ts")
CUT = ("mp4", "mov")
TURNED = ("mp4", "mov")
SEVERAL = ("mp4", "mkv", "ts")


@dataclass(frozen=True)
class Spec:
    """One film."""

    container: str
    codec: str
    gop: int
    b_frames: int
    rate: str  # "uneven", or frames a second
    size: tuple[int, int]
    sound: bool
    open_gop: bool = False
    late_s: float = 0.0  # of the video behind the audio
    offset_s: float = 0.0  # of the clock
    cut_s: float = 0.0  # hidden by an edit list
    degrees: int = 0
    tracks: str = ""  # "audio" or "video": another track before the one that counts
    uneven_s: tuple[float, ...] = ()  # start of every frame


def draw(dice: Generator) -> Spec:
    container = str(dice.choice(list(CODECS)))
    codec = str(dice.choice(CODECS[container]))
    rates = ["25", "30000/1001"] if container == "mpg" else ["10", "25", "30000/1001", "24", "50"]
    width, height = (int(side) * 16 for side in dice.integers(4, 8, 2))
    spec = Spec(
        container,
        codec,
        gop=int(dice.choice([1, 7, 20, 250])),
        b_frames=int(dice.integers(0, 4)) if codec in WITH_B_FRAMES else 0,
        rate=str(dice.choice(rates)),
        size=(width, height),
        sound=bool(dice.integers(2)),
    )
    if codec in ("h264", "hevc") and container in ("mp4", "mkv", "ts"):
        spec = replace(spec, open_gop=bool(dice.integers(2)))
    kind = int(dice.integers(8))
    if kind == 0 and container in UNEVEN and not codec.startswith("mpeg"):
        steps = dice.choice([0.02, 0.04, 0.1, 0.3], FRAMES)
        starts = tuple(float(start) for start in np.cumsum(steps) - steps[0])
        return replace(spec, rate="uneven", uneven_s=starts, sound=False)
    if kind == 1 and container in LATE:
        return replace(spec, sound=True, late_s=0.7)
    if kind == 2 and container in LATE:
        return replace(spec, offset_s=float(dice.choice([0.3, 5.0, 1000.0])))
    if kind == 3 and container in CUT:
        return replace(spec, cut_s=0.52, rate="25", gop=20)
    if kind == 4 and container in TURNED:
        return replace(spec, degrees=int(dice.choice([90, 180, 270])))
    if kind == 5 and container in SEVERAL:
        # A ts has no default track.
        kinds = ["audio"] if container == "ts" else ["audio", "video"]
        return replace(spec, sound=True, tracks=str(dice.choice(kinds)))
    return spec


def numbered(number: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: `number` (0 … 255) in 2 × 4 light or dark blocks."""
    blocks = np.array([number >> bit & 1 for bit in range(8)]).reshape(2, 4) * 195 + 30
    rows, columns = np.arange(height) * 2 // height, np.arange(width) * 4 // width
    return np.repeat(blocks[rows][:, columns, None], 3, axis=2).astype(np.uint8)


def number_of(picture: np.ndarray) -> int:
    """The number that a frame shows, read in the middle of its blocks."""
    high, wide = picture.shape[0] // 2, picture.shape[1] // 4
    number = 0
    for bit in range(8):
        row, column = divmod(bit, 4)
        rows = slice(row * high + high // 4, (row + 1) * high - high // 4)
        columns = slice(column * wide + wide // 4, (column + 1) * wide - wide // 4)
        number |= int(picture[rows, columns].mean() > 127) << bit
    return number


def make(folder: Path, name: str, spec: Spec) -> Path:
    """The film of a spec."""
    width, height = spec.size
    raw = b"".join(numbered(number, width, height).tobytes() for number in range(FRAMES))
    rate = "25" if spec.rate == "uneven" else spec.rate
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate]
    sounds = ["-f", "lavfi", "-i", f"sine=440:d={seconds(spec):.3f}"] if spec.sound else []
    coded = [*OPTIONS.get(spec.codec, ("-c:v", spec.codec, "-q:v", "3")), "-g", str(spec.gop)]
    if spec.codec in WITH_B_FRAMES:
        coded += ["-bf", str(spec.b_frames)]
    coded += x26_options(spec)
    pixels = "yuvj420p" if spec.codec == "mjpeg" else "yuv420p"
    file = f"{name}.{spec.container}"
    if spec.uneven_s:
        when = "+".join(f"eq(N,{n})*{start:.3f}" for n, start in enumerate(spec.uneven_s))
        coded += ["-vf", f"settb=1/1000,setpts='({when})/TB'", "-fps_mode", "passthrough"]
        coded += ["-enc_time_base", "1/1000"]
    audio = ["-c:a", AUDIO.get(spec.container, "aac")] if spec.sound else []
    offset = ["-output_ts_offset", str(spec.offset_s)] if spec.offset_s else []
    if spec.container == "mpg":
        # Many small frames would share one time stamp, and nobody could tell when they show.
        coded += ["-muxrate", "2000000"]
    words = [*source, "-i", "-", *sounds, "-pix_fmt", pixels, *coded, *audio, *offset, file]
    run(folder, words, raw)
    return changed(folder, file, spec)


def x26_options(spec: Spec) -> list[str]:
    if spec.codec == "hevc":
        shape = f":open-gop={int(spec.open_gop)}:keyint={spec.gop}:min-keyint={spec.gop}"
        return ["-x265-params", f"log-level=none:bframes={spec.b_frames}{shape}"]
    if spec.codec == "h264" and spec.open_gop:
        return ["-x264-params", "open-gop=1:b-adapt=0:scenecut=0"]
    return []


def changed(folder: Path, file: str, spec: Spec) -> Path:
    """The film copied into what its spec says of edit lists, rotation, tracks and late video."""
    last = f"made-{file}"
    if spec.late_s:
        late = ["-itsoffset", str(spec.late_s), "-i", file, "-i", file]
        run(folder, [*late, "-map", "0:v", "-map", "1:a", "-c", "copy", last])
    elif spec.cut_s:
        run(folder, ["-ss", str(spec.cut_s), "-i", file, "-c", "copy", last])
    elif spec.degrees:
        run(folder, ["-display_rotation", str(spec.degrees), "-i", file, "-c", "copy", last])
    elif spec.tracks:
        kind = spec.tracks[0]
        other = "anullsrc=r=44100" if kind == "a" else "color=white:s=64x64:r=25"
        extra = ["-f", "lavfi", "-t", f"{seconds(spec):.3f}", "-i", other, "-i", file]
        codec = "aac" if kind == "a" else "mpeg2video"
        maps = ["-map", "0", "-map", "1", "-c", "copy", f"-c:{kind}:0", codec]
        flags = [f"-disposition:{kind}:0", "0", f"-disposition:{kind}:1", "default"]
        run(folder, [*extra, *maps, *flags, last])
    else:
        return folder / file
    return folder / last


def run(folder: Path, words: list[str], data: bytes = b"") -> None:
    command = [ffmpeg.program(), "-v", "error", "-y", "-threads", "1", *words]
    subprocess.run(command, input=data, check=True, cwd=folder, timeout=120)


def seconds(spec: Spec) -> float:
    if spec.uneven_s:
        return spec.uneven_s[-1] + 0.04
    top, _, bottom = spec.rate.partition("/")
    return FRAMES * int(bottom or 1) / int(top)


def truth(spec: Spec, start_s: float, count: int) -> list[set[int]]:
    """The numbers that may show at start_s + k/2 s: two where a clock rounds one frame there."""
    starts = np.arange(FRAMES) * seconds(spec) / FRAMES
    if spec.uneven_s:
        starts = np.asarray(spec.uneven_s)
    times = start_s + np.arange(count) / 2 - spec.late_s + spec.cut_s
    round_s = 6e-4 if spec.container in MILLISECONDS else 0.0
    numbers = []
    for ahead_s in (TIE_S - round_s, TIE_S + round_s):
        shown = np.searchsorted(starts, times + ahead_s, side="right") - 1
        numbers.append(np.clip(shown, 0, FRAMES - 1))
    return [{int(early), int(late)} for early, late in zip(*numbers, strict=True)]


def upright(raw: RawClip, spec: Spec) -> list[np.ndarray]:
    assert raw.frames is not None
    return [np.rot90(picture, -spec.degrees // 90) for picture in raw.frames]


@dataclass(frozen=True)
class Check:
    """One reading of one film."""

    spec: Spec
    decoder: str
    picks: int
    wrong: int
    refused: str = ""
    other_pixels: bool = False
    handed_over: bool = False


def check_film(folder: Path, number: int, spec: Spec, decoders: list[Decoder]) -> Iterator[Check]:
    film = make(folder, f"film{number}", spec)
    length_s = seconds(spec) - spec.cut_s
    start_s = round(0.37 * length_s, 2)
    for window in [(0.0, None), (start_s, start_s + min(1.2, 0.5 * length_s))]:
        first: np.ndarray | None = None
        for decoder in decoders:
            try:
                raw = decode_clip(Clip("clip", film, *window), decoder=decoder)
            except DecodeError as error:
                yield Check(spec, decoder, 0, 0, str(error))
                continue
            shown = [number_of(picture) for picture in upright(raw, spec)]
            expected = truth(spec, window[0], len(shown))
            wrong = sum(n not in right for n, right in zip(shown, expected, strict=True))
            if spec.late_s == 0 and window[1] is None and not spec.uneven_s:
                count = np.ceil(
                    length_s * 2 - 2 * (TIE_S if spec.container not in MILLISECONDS else 1e-3)
                )
                wrong += abs(len(shown) - int(count))
            handed = any(note.startswith("read by av instead") for note in raw.notes)
            first = raw.frames if first is None else first
            other = not np.array_equal(first, raw.frames)
            yield Check(spec, decoder, len(shown), wrong, "", other, handed)
    film.unlink()


def check_all(folder: Path, specs: list[Spec], decoders: list[Decoder]) -> list[Check]:
    checks: list[Check] = []
    for number, spec in enumerate(specs):
        checks += check_film(folder, number, spec, decoders)
    return checks


def figures(checks: list[Check], decoders: list[Decoder]) -> dict[str, object]:
    """By container and codec: readings, picks, and what was wrong of each decoder."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for item in checks:
        row = table[f"{item.spec.container} {item.spec.codec}"]
        row["picks"] += item.picks
        row[f"wrong_{item.decoder}"] += item.wrong
        row["refused"] += bool(item.refused)
        row["other_pixels"] += item.other_pixels
        row["handed_over"] += item.handed_over
    return {name: dict(row) for name, row in sorted(table.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--decoders", default="av,decord,ffmpeg")
    options = parser.parse_args()
    decoders = cast(list[Decoder], options.decoders.split(","))
    dice = np.random.default_rng(options.seed)
    specs = [draw(dice) for _ in range(options.count)]
    with tempfile.TemporaryDirectory() as folder:
        checks = check_all(Path(folder), specs, decoders)
    bad = [item for item in checks if item.wrong or item.refused or item.other_pixels]
    wrong = {decoder: sum(c.wrong for c in checks if c.decoder == decoder) for decoder in decoders}
    report(
        "every decoder shows the right frame of every film",
        "wrong, refused and other_pixels 0",
        films=options.count,
        readings=len(checks),
        picks=sum(item.picks for item in checks),
        wrong=wrong,
        refused=sum(bool(item.refused) for item in checks),
        other_pixels=sum(item.other_pixels for item in checks),
        handed_over=sum(item.handed_over for item in checks),
        by_kind=figures(checks, decoders),
        bad=[str(item) for item in bad[:SHOWN]],
    )
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
