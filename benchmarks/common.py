"""Shared by the benchmarks: films to measure on, time and memory, and one JSON object at the end."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: wall time, and CPU time of this process and all that it started and reaped."""

    wall_s: float
    cpu_s: float


def measured(work: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), _cpu_s()
    work()
    return Spent(time.perf_counter() - wall, _cpu_s() - cpu)


def waited_for(work: Callable[[], object], device: str) -> Callable[[], object]:
    """The same work, over when the device is done with it."""
    if device == "cpu":
        return work
    import torch  # here, for most benchmarks have no use for it

    def whole() -> None:
        work()
        torch.cuda.synchronize()

    return whole


def interleaved(
    times: int,
    *works: Callable[[], object],
    pick: Callable[[list[float]], float] = statistics.median,
) -> list[Spent]:
    """What each work takes: rounds in which every one is done once, so that what disturbs one disturbs all of them.

    Medians, or what `pick` makes of a work's times. Each is done once before, which does not count.
    """
    for work in works:
        work()
    rounds = [[measured(work) for work in works] for _ in range(times)]
    return [
        Spent(pick([each.wall_s for each in own]), pick([each.cpu_s for each in own]))
        for own in zip(*rounds, strict=True)
    ]


def anonymous_mib(process: str = "self") -> float:
    """Memory of a process that belongs to it alone: without the pages of files that it maps."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def film(path: Path, seconds: float, size: str = "640x360", noise: int = 4, *options: str) -> Path:
    """An H.264 film with sound.

    Noise on the moving test picture costs a decoder about what real footage does.
    """
    pictures = f"testsrc2=size={size}:rate=25:duration={seconds},noise=alls={noise}:allf=t:all_seed={len(path.name)}"
    sound = f"sine=frequency=440:sample_rate=44100:duration={seconds}"
    inputs = ["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound]
    coded = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "fast", "-g", "250"]
    command = [
        ffmpeg.program(),
        "-nostdin",
        "-v",
        "error",
        "-y",
        *inputs,
        *coded,
        *options,
        str(path),
    ]
    subprocess.run(command, check=True)
    return path


def cores() -> int:
    return len(os.sched_getaffinity(0))


def arguments(about: str | None, **options: float | str) -> argparse.Namespace:
    """Options of a benchmark: numbers and words by name, each with its default; False by default makes a switch."""
    parser = argparse.ArgumentParser(description=about)
    for name, default in options.items():
        kind: dict[str, Any] = (
            {"action": "store_true"} if default is False else {"type": type(default)}
        )
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **kind)
    return parser.parse_args()


def report(claim: str, goal: str, **figures: object) -> None:
    """Prints one JSON object: the figures, and the conditions without which they mean nothing."""
    machine = {
        "cores": cores(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "processor": platform.processor() or platform.machine(),
    }
    rounded = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in figures.items()
    }
    print(json.dumps({"claim": claim, "goal": goal, **rounded, "machine": machine}, indent=1))
