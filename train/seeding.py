"""Seeds of all random numbers. They depend on seed, step and process, so no random state is saved.

A resumed run draws the same numbers as a run without a stop.
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
    """Seeds Python, numpy and torch (all devices) from a seed and, for a step, its numbers."""
    seed = _hash(parts, n_bytes=4)  # numpy takes at most 32 bits
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seeded_generator(*parts: int | str) -> torch.Generator:
    """A separate generator, for what does not depend on step or process."""
    return torch.Generator().manual_seed(_hash(parts, n_bytes=8) >> 1)


def _hash(parts: tuple[int | str, ...], n_bytes: int) -> int:
    name = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=n_bytes).digest(), "little")


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Makes GPU kernels add in a fixed order where such a kernel exists; a CPU always does."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    was_enabled = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was_enabled, warn_only=warned_only)
