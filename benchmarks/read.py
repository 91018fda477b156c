"""How fast embeddings are read from shards, beside numpy.memmap of the same bytes and a pickle.

    python -m benchmarks.read [--clips 10000] [--rounds 5]

Clips of 16 frames × 2 modalities × 1024 float16, written by EmbeddingWriter: 625 MiB. A pass opens
the files and copies every clip's bytes into a buffer, in the order of the shards or shuffled as in
training. Files are in the page cache, as they are from the second epoch on: a disk would hide what
the reader itself costs. The passes take turns.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.common import anonymous_mib, arguments, interleaved, report
from benchmarks.streams import StreamWriters, made_up
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.opening import StreamReader

FRAMES, WIDTH = 16, 1024
LOOK_EVERY = 100


def write(folder: Path, clips: int) -> None:
    """The same bytes three times: shards, flat, pickled."""
    layout, streams = CacheLayout(folder / "shards"), made_up("random", WIDTH)
    writer = StreamWriters(layout, streams)
    dice = np.random.default_rng(0)
    pickled = {}
    flat = np.memmap(folder / "flat", np.float16, "w+", shape=(clips, 2, FRAMES, WIDTH))
    for i in range(clips):
        flat[i] = dice.standard_normal((2, FRAMES, WIDTH), np.float32)
        pickled[str(i)] = vision, audio = np.array(flat[i, 0]), np.array(flat[i, 1])
        writer.add(str(i), vision, audio)
    writer.finish()
    flat.flush()
    with (folder / "pickle").open("wb") as file:
        pickle.dump(pickled, file, protocol=pickle.HIGHEST_PROTOCOL)


class Passes:
    """Each reads all clips in an order, and leaves the last one in `buffer`."""

    def __init__(self, folder: Path, clips: int) -> None:
        self.folder, self.clips = folder, clips
        self.keys = [str(i) for i in range(clips)]
        self.buffer = np.empty((2, FRAMES, WIDTH), np.float16)

    def shards(self, order: Sequence[int], watch: list[float] | None = None) -> None:
        reader = StreamReader(CacheLayout(self.folder / "shards"), made_up("random", WIDTH))
        vision, audio = self.buffer
        for i in order:
            clip = reader.get(self.keys[i])
            assert clip.vision is not None and clip.audio is not None
            vision[:], audio[:] = clip.vision, clip.audio
            if watch is not None and i % LOOK_EVERY == 0:
                watch.append(anonymous_mib())

    def memmap(self, order: Sequence[int]) -> None:
        flat = np.asarray(
            np.memmap(self.folder / "flat", np.float16, "r", shape=(self.clips, 2, FRAMES, WIDTH))
        )
        vision, audio = self.buffer
        for i in order:
            vision[:], audio[:] = flat[i, 0], flat[i, 1]

    def pickle(self, order: Sequence[int]) -> None:
        with (self.folder / "pickle").open("rb") as file:
            clips = pickle.load(file)
        vision, audio = self.buffer
        for i in order:
            vision[:], audio[:] = clips[self.keys[i]]


def private_mib(folder: Path, clips: int) -> float:
    """The most private memory of a process that reads all clips, with Python and its libraries."""
    seen: list[float] = []
    Passes(folder, clips).shards(range(clips), seen)
    return max(seen)


def main() -> None:
    options = arguments(__doc__, clips=10_000, rounds=5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.clips)
        passes = Passes(folder, options.clips)
        order = range(options.clips)
        shuffled = np.random.default_rng(1).permutation(options.clips).tolist()
        left = []
        for one in (passes.shards, passes.memmap, passes.pickle):
            one(shuffled)
            left.append(passes.buffer.copy())
        assert np.array_equal(left[0], left[1]) and np.array_equal(left[0], left[2])
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            private = fresh.submit(private_mib, folder, options.clips).result()
        ours, floor, ours_shuffled, floor_shuffled = interleaved(
            options.rounds,
            lambda: passes.shards(order),
            lambda: passes.memmap(order),
            lambda: passes.shards(shuffled),
            lambda: passes.memmap(shuffled),
        )
        [unpickled] = interleaved(2, lambda: passes.pickle(order))
    mib = options.clips * passes.buffer.nbytes / 2**20
    report(
        "embeddings are read about as fast as their bytes can be, in little memory",
        "of_memmap and of_memmap_shuffled at least 0.5; private_mib under 200",
        clips=options.clips,
        mib=mib,
        of_memmap=floor.wall_s / ours.wall_s,
        of_memmap_shuffled=floor_shuffled.wall_s / ours_shuffled.wall_s,
        times_pickle=unpickled.wall_s / ours.wall_s,
        mib_per_s=mib / ours.wall_s,
        memmap_mib_per_s=mib / floor.wall_s,
        pickle_mib_per_s=mib / unpickled.wall_s,
        private_mib=private,
    )


if __name__ == "__main__":
    main()
