"""Shared by the benchmarks: films to measure on, time, memory, and the printed result."""

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

from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg


@dataclass(frozen=True)
class Spent:
    """The cost of a piece of work: wall time, and CPU time of this process and its children."""

    wall_s: float
    cpu_s: float


def measured(work: Callable[[], object]) -> Spent:
    """Runs the work once and measures it."""
    wall, cpu = time.perf_counter(), _cpu_s()
    work()
    return Spent(time.perf_counter() - wall, _cpu_s() - cpu)


def synchronised(work: Callable[[], object], device: str) -> Callable[[], object]:
    """The same work, returning only when the device has finished it."""
    if device == "cpu":
        return work
    import torch  # Imported here, because most benchmarks do not need it.

    def work_and_wait() -> None:
        work()
        torch.cuda.synchronize()

    return work_and_wait


def interleaved(
    times: int,
    *works: Callable[[], object],
    pick: Callable[[list[float]], float] = statistics.median,
) -> list[Spent]:
    """Measures several pieces of work in turn, so that a disturbance of the machine hits all.

    Each is run once unmeasured, then `times` times in rounds. Returns the median of each, or what
    `pick` makes of its times.
    """
    for work in works:
        work()
    rounds = [[measured(work) for work in works] for _ in range(times)]
    results = []
    for spent in zip(*rounds, strict=True):
        wall_s = pick([each.wall_s for each in spent])
        cpu_s = pick([each.cpu_s for each in spent])
        results.append(Spent(wall_s, cpu_s))
    return results


def anonymous_mib(process: str = "self") -> float:
    """Memory that belongs to one process alone, without the pages of files that it maps."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {process} has ended")


def _cpu_s() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def film(path: Path, seconds: float, size: str = "640x360", noise: int = 4, *options: str) -> Path:
    """Writes an H.264 film with sound.

    The noise makes the moving test picture about as expensive to decode as real footage.
    """
    picture = f"testsrc2=size={size}:rate=25:duration={seconds}"
    grain = f"noise=alls={noise}:allf=t:all_seed={len(path.name)}"
    sound = f"sine=frequency=440:sample_rate=44100:duration={seconds}"

    command = [ffmpeg.program(), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"{picture},{grain}", "-f", "lavfi", "-i", sound]
    command += ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "fast", "-g", "250"]
    subprocess.run([*command, *options, str(path)], check=True)
    return path


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def arguments(about: str | None, **options: float | str) -> argparse.Namespace:
    """Command-line options of a benchmark: each name with its default; False makes a switch."""
    parser = argparse.ArgumentParser(description=about)
    for name, default in options.items():
        flag = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, default=default, type=type(default))
    return parser.parse_args()


def report(claim: str, goal: str, **figures: object) -> None:
    """Prints one JSON object: the figures and the conditions under which they were measured."""
    machine = {
        "cores": cores(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "processor": platform.processor() or platform.machine(),
    }
    rounded = {}
    for name, value in figures.items():
        rounded[name] = round(value, 4) if isinstance(value, float) else value
    print(json.dumps({"claim": claim, "goal": goal, **rounded, "machine": machine}, indent=1))
