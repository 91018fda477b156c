"""Does memory stay flat, however many clips a build caches?

    python -m benchmarks.memory [--clips 5000] [--seconds 600]

Half-second sounds, each with other bytes, pass through all of stage 1; every 40th is a film. The
benchmark stops when its time is over. It reports resident memory of the builder and of its workers,
without the pages of the LMDB file.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from benchmarks.common import anonymous_mib, arguments, cores, film, report
from semanticmac.cache.layout import CacheLayout
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import Clip, Corpus
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders

FILM_EVERY = 40
SAMPLE_EVERY = 10  # clips
WARM_UP = 0.2  # share of the clips after which everything that is allocated once is there
WORKER = "semanticmac.preprocess.process_worker"


class TimeUp(Exception):
    """The time of the benchmark is over."""


def workers_mib() -> float:
    """Memory of all workers. They are children of this process and may end at any moment."""
    total = 0.0
    for child in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            for process in child.read_text().split():
                if WORKER.encode() in Path(f"/proc/{process}/cmdline").read_bytes():
                    total += anonymous_mib(process)
    return total


def main() -> None:
    options = arguments(__doc__, clips=5000, seconds=600.0)
    samples: list[tuple[float, float]] = []  # builder, workers
    encoded = 0
    until = time.monotonic() + options.seconds

    def sample(stage: str, done: int, total: int, failed: int) -> None:
        nonlocal encoded
        if stage == "encoding clips":
            encoded = done
            if done % SAMPLE_EVERY == 0:
                samples.append((anonymous_mib("self"), workers_mib()))
            if time.monotonic() > until and done < total:
                raise TimeUp

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = film(folder / "film.mp4", 0.6, "96x64").read_bytes()
        sound = film(
            folder / "sound.wav", 0.6, "96x64", 0, "-map", "1", "-c:v", "copy"
        ).read_bytes()
        clips = []
        for i in range(options.clips):
            file = folder / (f"{i}.mp4" if i % FILM_EVERY == 0 else f"{i}.wav")
            file.write_bytes(
                (picture if file.suffix == ".mp4" else sound) + i.to_bytes(4, "little")
            )
            clips.append(Clip(str(i), file))
        try:
            corpus = Corpus("memory", None, tuple(clips))
            build(
                corpus,
                CacheLayout(folder / "cache"),
                load_encoders("imagebind-tiny", "cpu"),
                BuildOptions(folder, cores()),
                sample,
            )
        except TimeUp:
            pass
    builder_warm, workers_warm = samples[int(len(samples) * WARM_UP)]
    tail = samples[len(samples) // 2 :]
    builder = max(builder for builder, _ in tail)
    workers = max(workers for _, workers in tail)
    report(
        "memory does not grow with the number of clips",
        "builder_growth and workers_growth at most 1.1",
        clips=encoded,
        builder_mib=builder,
        builder_growth=builder / builder_warm,
        workers_mib=workers,
        workers_growth=workers / max(workers_warm, 1.0),
    )


if __name__ == "__main__":
    main()
