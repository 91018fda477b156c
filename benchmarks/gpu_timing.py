"""Time, memory and kernels of work on one device; benchmarks/gpu.py and its sections use them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

Record = Callable[..., None]
"""Records a figure: name, value, and if wanted unit, goal and note."""


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """The median of some rounds; one round before them is not counted."""
    times = []
    for _ in range(rounds + 1):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def reset_peak(device: torch.device) -> None:
    gc.collect()  # A model may be in a cycle of references.
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_gib(device: torch.device) -> float | None:
    """Peak memory on a GPU; a CPU has no such count."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**30


def busy_share(step: Callable[[], object], device: torch.device) -> float | None:
    """Kernel time over wall time. The profiler costs time, so this is a lower bound.

    None without a GPU, and where the profiler sees no kernels.
    """
    if device.type != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    times = 5
    with profile(activities=[ProfilerActivity.CUDA]):
        step()  # The first profile also starts the profiler.
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        synchronise(device)
        started = time.perf_counter()
        for _ in range(times):
            step()
        synchronise(device)
        wall_s = time.perf_counter() - started
    return kernel_seconds(seen.events()) / wall_s or None


def kernel_seconds(events: Iterable[Any]) -> float:
    """The time of all kernels and copies among the events of a profile."""
    from torch.autograd import DeviceType

    kernels_us = 0.0
    for event in events:
        # Not `is`: each event has an object of its own for the same device.
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation:
            kernels_us += event.self_device_time_total
    return kernels_us / 1e6
