"""Files damaged in every way: each is cached or fails with a reason, and none stops a run.

    python -m benchmarks.fuzz [--count 2000] [--seed 0] [--real ../shared/data]

Rendered films and sounds of many kinds, and real ones where --real names a folder, are cut,
spliced and changed by a seeded die; all of them are one corpus of the real build. The exit status
is 1 where a clip is neither cached nor named, where a reason is empty, or where the cache that came
of it is not whole. Of the films that are cached without a remark on damage, ffmpeg decodes some
again: where both find frames of one length, `other_frames` counts the clips that differ.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks.common import cores, film, report
from semanticmac.cache.failures import read_failures
from semanticmac.cache.frame_codec import unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.records import RawClip
from semanticmac.cache.verify import verify
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.decoding import isolation
from semanticmac.preprocess.decoding.isolation import decode_all
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders

KINDS = {
    "h264.mp4": (),
    "fast.mp4": ("-movflags", "+faststart"),
    "h264.mkv": (),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    "mpeg4.avi": ("-c:v", "mpeg4"),
    "h264.mts": (),
    "h264.ts": (),
    "sound.mka": ("-map", "1"),
    "mpeg1.mpg": ("-c:v", "mpeg1video"),
    "hevc.mp4": ("-c:v", "libx265", "-x265-params", "log-level=none"),
    "hevc.mkv": ("-c:v", "libx265", "-x265-params", "log-level=none"),
    "vp8.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
    "h264.avi": ("-c:a", "pcm_s16le"),
    "sound.ogg": ("-map", "1", "-c:a", "libvorbis"),
    "sound.mp3": ("-map", "1"),
    "sound.flac": ("-map", "1"),
    "sound.wav": ("-map", "1"),
}
HEAD_BYTES = 600
REAL_EVERY = 5  # one in so many is real, where there are any: they are larger and cost more
TIMEOUT_S = 60.0
COMPARED = 300  # of the cached films, by a second decoder


def flipped(data: bytearray, dice: Generator) -> bytearray:
    for at in dice.integers(0, len(data), dice.integers(1, 40)):
        data[at] ^= 1 << int(dice.integers(8))
    return data


def cut(data: bytearray, dice: Generator) -> bytearray:
    return data[: dice.integers(0, len(data))]


def spliced(data: bytearray, dice: Generator) -> bytearray:
    """A stretch is left out, doubled, or moved."""
    first, second = sorted(dice.integers(0, len(data), 2))
    middle = data[first:second]
    return [
        data[:first] + data[second:],
        data[:second] + middle + data[second:],
        middle + data[:first] + data[second:],
    ][dice.integers(3)]


def head_edited(data: bytearray, dice: Generator) -> bytearray:
    """Fields of the header become nothing, everything, or noise: sizes, counts, lengths."""
    for _ in range(dice.integers(1, 6)):
        at, size = int(dice.integers(0, min(HEAD_BYTES, len(data)))), int(dice.choice([1, 2, 4, 8]))
        data[at : at + size] = [
            bytes(size),
            b"\xff" * size,
            b"\x7f" + b"\xff" * (size - 1),
            dice.bytes(size),
        ][dice.integers(4)]
    return data


def index_edited(data: bytearray, dice: Generator) -> bytearray:
    """Like head_edited, in the last bytes, where an mp4 keeps its index."""
    tail = head_edited(data[-4 * HEAD_BYTES :], dice)
    return data[: -4 * HEAD_BYTES] + tail


def noised(data: bytearray, dice: Generator) -> bytearray:
    first, second = sorted(dice.integers(0, len(data), 2))
    size = min(second - first, 4000)
    data[first : first + size] = dice.bytes(size) if dice.integers(2) else bytes(size)
    return data


CHANGES = (flipped, cut, spliced, head_edited, index_edited, noised)


def sources(
    folder: Path, real: Path | None
) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """(name, bytes) of the rendered and of the real files."""
    folder.mkdir()
    rendered = [
        film(folder / name, 0.6, "64x48", 4, "-ac", "1", *extra) for name, extra in KINDS.items()
    ]
    found = (
        [*sorted(real.glob("grid/*.mpg")), *sorted(real.glob("ravdess/*.flac"))[:6]] if real else []
    )
    pairs = [[(file.name, file.read_bytes()) for file in files] for files in (rendered, found)]
    return pairs[0], pairs[1]


def write_mutants(root: Path, count: int, seed: int, real: Path | None) -> None:
    rendered, found = sources(root.with_name("sources"), real)
    dice = np.random.default_rng(seed)
    root.mkdir()
    for number in range(count):
        kind = found if found and number % REAL_EVERY == 0 else rendered
        name, whole = kind[dice.integers(len(kind))]
        if dice.integers(10) == 0:  # the head of one file and the tail of another
            _, other = kind[dice.integers(len(kind))]
            whole = whole[: dice.integers(1, len(whole))] + other[dice.integers(0, len(other)) :]
        change = CHANGES[dice.integers(len(CHANGES))]
        (root / f"{number:05d}-{change.__name__}-{name}").write_bytes(
            change(bytearray(whole), dice)
        )


def kind_of(reason: str) -> str:
    """A reason without its numbers and its quotations of ffmpeg."""
    return re.sub(r"\(.*\)|: .*", "", re.sub(r"-?\d+(\.\d+)?", "#", reason))


def compare(clips: list[Clip]) -> tuple[int, list[str]]:
    """How many cached films ffmpeg read too, and those of which it shows other frames."""
    compared, other = 0, []
    pairs = zip(
        decode_all(clips, Sampling(picture="png"), cores()),
        decode_all(clips, Sampling(picture="png"), cores(), decoder="ffmpeg"),
        strict=True,
    )
    for by_av, by_ffmpeg in pairs:
        if by_av.record is None or by_ffmpeg.record is None:
            continue
        first, second = unpack(by_av.record), unpack(by_ffmpeg.record)
        if first.frames is None or second.frames is None or has_remark(first, second):
            continue
        if first.frames.shape == second.frames.shape and first.duration_s == second.duration_s:
            compared += 1
            if not np.array_equal(first.frames, second.frames):
                other.append(by_av.clip.clip_id)
    return compared, other


def has_remark(*clips: RawClip) -> bool:
    """Whether a reader noticed damage, or handed the film over."""
    words = ("damaged", "truncated", "read by av")
    return any(word in note for clip in clips for note in clip.notes for word in words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    isolation.CLIP_TIMEOUT_S = TIMEOUT_S
    with tempfile.TemporaryDirectory() as name:
        root, layout = Path(name) / "mutants", CacheLayout(Path(name) / "cache")
        write_mutants(root, options.count, options.seed, options.real)
        corpus = read_corpus("folder", root)
        assert len(corpus.clips) == options.count
        encoder = load_encoders("imagebind-tiny", "cpu")
        built = build(corpus, layout, encoder, BuildOptions(root, cores()), lambda *_: None)
        lines = [line for line in read_failures(layout.failures(corpus.name)) if not line.cached]
        manifest = Manifest.read(layout.manifest(corpus.name))
        cached = {row.clip_id for row in manifest.rows}
        named = {line.clip_id for line in lines}
        unheard = [line.clip_id for line in lines if not line.reason.strip()]
        lost = {clip.clip_id for clip in corpus.clips} ^ (cached | named) | (cached & named)
        damage = verify(layout, manifest, lambda *_: None)
        films = [clip for clip in corpus.clips if clip.clip_id in cached]
        compared, other_frames = compare(films[:: max(1, len(films) // COMPARED)])
    report(
        "no damaged file stops a run: each is cached or named",
        "neither, unnamed and damage empty",
        files=options.count,
        cached=built.cached,
        failed=built.failed,
        neither=sorted(lost),
        unnamed=unheard,
        damage=damage,
        compared=compared,
        other_frames=other_frames,
        reasons=dict(Counter(kind_of(line.reason) for line in lines).most_common()),
    )
    sys.exit(bool(lost or unheard or damage))


if __name__ == "__main__":
    main()
