"""Where random numbers come from: every step has its own, so none must be remembered when a run is stopped.

What is random belongs to the seed, the step and the process. A run that goes on draws what it would
have drawn.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(*parts: int) -> None:
    """Python, numpy and torch, on every device, from a seed and what else the numbers belong to (step, process)."""
    name = "/".join(map(str, parts)).encode()
    seed = int.from_bytes(
        hashlib.blake2b(name, digest_size=4).digest(), "little"
    )  # numpy takes no more than 32 bits
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def generator(*parts: int | str) -> torch.Generator:
    """A source of its own, for what belongs to an epoch and not to a step or a process."""
    name = "/".join(map(str, parts)).encode()
    return torch.Generator().manual_seed(
        int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little") >> 1
    )


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Inside, kernels of a GPU add in the same order every time, where such a kernel exists; a CPU does so anyway."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
