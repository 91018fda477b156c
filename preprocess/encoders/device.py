"""The device of an encoder: how it is chosen, copied to, and kept from rounding float32."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


def pick_device(device: str) -> torch.device:
    """`auto` is CUDA where there is a GPU, else the CPU.

    A numbered GPU becomes the current device of this thread. Otherwise the first copy from pinned
    memory would take memory of GPU 0 too.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    picked = torch.device(device)
    if picked.type == "cuda" and picked.index is not None:
        torch.cuda.set_device(picked)
    return picked


def to_device(rows: Tensor, device: torch.device) -> Tensor:
    """A copy on the device. A GPU copies pinned memory by itself; the process does not wait."""
    if device.type != "cuda":
        return rows.to(device)
    # The current device belongs to a thread, and any thread may encode.
    with torch.cuda.device(device):
        return rows.contiguous().pin_memory().to(device, non_blocking=True)


class _ExactFloat32:
    """Counts the threads inside the block: the settings of torch belong to the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, str, object]] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._inside:
                self._before = _forbid_tf32()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    for backend, name, value in self._before:
                        setattr(backend, name, value)


_exact_float32 = _ExactFloat32()


def exact_float32(device: torch.device) -> Any:
    """Inside the block a GPU computes float32 as float32.

    By default cuDNN rounds the factors of a convolution to TF32, which has 10 binary places.
    """
    return _exact_float32() if device.type == "cuda" else nullcontext()


def _forbid_tf32() -> list[tuple[Any, str, object]]:
    """Sets convolutions and matrix products to float32 → the settings to restore, in order."""
    backends: Any = torch.backends
    before: list[tuple[Any, str, object]] = []
    for part, newer in ((backends.cudnn, "conv"), (backends.cuda, "matmul")):
        legacy = part if newer == "conv" else part.matmul
        owner: Any = getattr(part, newer, None)  # torch 2.9 and later have the newer setting too
        precision = getattr(owner, "fp32_precision", None)
        try:
            allowed = legacy.allow_tf32
            legacy.allow_tf32 = False
            before.append((legacy, "allow_tf32", allowed))
        except RuntimeError:
            pass  # The program uses the newer setting of torch, and the two may not be mixed.
        # The older setting leaves open what torch.backends.fp32_precision asks for.
        if getattr(owner, "fp32_precision", "ieee") not in ("ieee", "none"):
            before.insert(0, (owner, "fp32_precision", precision))
            owner.fp32_precision = "ieee"
    return before
