"""How long does the time line of a long recording take, and does its memory stay flat?

    python -m benchmarks.timeline --run RUN --clips FOLDER [--minutes 10] [--film FILE] [--cpus 2]

The clips of a folder, such as those of GRID, are joined to a film of 1280 × 720 px; --film keeps it
for the next time. `semanticmac predict` runs as a process of its own on so many cores. The memory
is that of all its processes together, without the pages of files.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import anonymous_mib, arguments, report
from semanticmac.preprocess.corpora.folder import folder_files
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.length import media_length

ENCODED_MINUTES = 10.0  # a longer film repeats them
SAMPLE_EVERY_S = 1.0
WARM_UP = 0.3  # share of the time after which everything that is allocated once is there


def join_clips(clips: Path, path: Path, minutes: float) -> Path:
    """A film of 1280 × 720 px and 25 frames a second, of clips in a random order."""
    media = folder_files(clips).media
    length_s = sum(media_length(file).seconds for file in media)
    part = path.with_name(f"part-{path.name}")
    part_minutes = min(minutes, ENCODED_MINUTES)
    rng = random.Random(0)
    order: list[Path] = []
    while len(order) * length_s / len(media) < 60 * part_minutes + length_s:
        order += rng.sample(media, len(media))
    scale = ["-vf", "scale=1280:720", "-r", "25", "-c:v", "libx264", "-preset", "veryfast"]
    _concatenate(order, part, part_minutes, [*scale, "-c:a", "aac", "-b:a", "96k"])
    repeats = [part] * math.ceil(minutes / ENCODED_MINUTES)
    _concatenate(repeats, path, minutes, ["-c", "copy"])
    part.unlink()
    return path


def _concatenate(files: list[Path], path: Path, minutes: float, codec: list[str]) -> None:
    names = path.with_suffix(".files")
    names.write_text("".join(_concat_line(file) for file in files))
    command = [ffmpeg.program(), "-nostdin", "-v", "error", "-y", "-f", "concat", "-safe", "0"]
    command += ["-i", str(names), "-t", str(60 * minutes), *codec, str(path)]
    subprocess.run(command, check=True)
    names.unlink()


def _concat_line(file: Path) -> str:
    """A line of ffmpeg's list of files; a quote in a name ends the quotes and is escaped."""
    escaped = str(file.absolute()).replace("'", "'\\''")
    return f"file '{escaped}'\n"


def tree_mib(root: int) -> float:
    """Memory of a process and all processes below it; they may end at any moment."""
    total = 0.0
    waiting = [str(root)]
    while waiting:
        process = waiting.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += anonymous_mib(process)
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                waiting += children.read_text().split()
    return total


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    options = arguments(__doc__, run="", clips="", minutes=10.0, film="", cpus=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = Path(options.film or folder / "film.mp4").absolute()
        if not film.exists():
            join_clips(Path(options.clips), film, options.minutes)
        length_s = media_length(film).seconds

        command = [sys.executable, "-m", "semanticmac.cli", "predict", str(film), "--timeline"]
        command += ["--run", str(Path(options.run).absolute()), "--device", "cpu"]
        allowed = set(sorted(os.sched_getaffinity(0))[: options.cpus])
        before_s = _children_cpu_s()
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": str(options.cpus)},
            preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        )
        samples: list[float] = []
        while process.poll() is None:
            samples.append(tree_mib(process.pid))
            time.sleep(SAMPLE_EVERY_S)
        wall_s = time.perf_counter() - start
        cpu_s = _children_cpu_s() - before_s
        page = folder / "timelines" / f"{film.stem}.html"
        page_mib = page.stat().st_size / 2**20 if page.exists() else 0.0

    warm = samples[int(WARM_UP * len(samples)) :]
    half = len(warm) // 2
    report(
        "predict --timeline",
        "less than 0.5 × the length of the film, at most 1.5 GB",
        exit_code=process.returncode,
        film_s=length_s,
        wall_s=wall_s,
        share_of_length=wall_s / length_s,
        cpu_s=cpu_s,
        peak_mib=max(samples),
        median_mib_first_half=sorted(warm[:half])[half // 2],
        median_mib_second_half=sorted(warm[half:])[half // 2],
        page_mib=page_mib,
    )


if __name__ == "__main__":
    main()
