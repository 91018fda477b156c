"""Whether memory stays flat however many clips a build caches.

    python -m benchmarks.memory [--clips 5000] [--seconds 600]

Half-second sounds, each with other bytes, through the whole of stage 1; every 40th is a film. What
fits in the time counts. Resident memory of the building process and of its workers, without the
pages of LMDB's file that it maps.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from benchmarks.common import anonymous_mib, arguments, cores, film, report
from semanticmac.cache.layout import CacheLayout
from semanticmac.preprocess.build import Plan, build
from semanticmac.preprocess.clip import Clip, Corpus
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoder

FILM_EVERY = 40
LOOK_EVERY = 10
WARM = 0.2  # of the clips: what is allocated once is allocated by then
WORKER = "semanticmac.preprocess.process_pool"


class TimeUp(Exception):
    """The benchmark has had its time."""


def workers_mib() -> float:
    """Of all workers together; they are this process's children, and may end while they are looked at."""
    total = 0.0
    for child in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            for process in child.read_text().split():
                if WORKER.encode() in Path(f"/proc/{process}/cmdline").read_bytes():
                    total += anonymous_mib(process)
    return total


def main() -> None:
    options = arguments(__doc__, clips=5000, seconds=600.0)
    seen: list[tuple[float, float]] = []
    made = 0
    until = time.monotonic() + options.seconds

    def watch(stage: str, done: int, total: int, failed: int) -> None:
        nonlocal made
        if stage == "encoding clips":
            made = done
            if done % LOOK_EVERY == 0:
                seen.append((anonymous_mib("self"), workers_mib()))
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
                load_encoder("imagebind-tiny", "cpu"),
                Plan(folder, cores()),
                watch,
            )
        except TimeUp:
            pass
    warm = seen[int(len(seen) * WARM)]
    tail = seen[len(seen) // 2 :]
    report(
        "memory does not grow with the number of clips",
        "builder_growth and workers_growth at most 1.1",
        clips=made,
        builder_mib=max(own for own, _ in tail),
        builder_growth=max(own for own, _ in tail) / warm[0],
        workers_mib=max(theirs for _, theirs in tail),
        workers_growth=max(theirs for _, theirs in tail) / max(warm[1], 1.0),
    )


if __name__ == "__main__":
    main()
