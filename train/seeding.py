"""Seeds of all random numbers. They depend on seed, step and process, so no random state is saved.

A resumed run draws the same numbers as a run without a stop.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.utils.deterministic

Value = TypeVar("Value")

# What torch raises for an operation without a kernel that adds in a fixed order.
_NO_FIXED_ORDER = re.compile(r"(\S+) does not have a deterministic implementation")
# It is in what torch raises for a matrix product if the variable was not set before the first one.
_CUBLAS_SETTING = "CUBLAS_WORKSPACE_CONFIG"


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
    """Makes GPU kernels add in a fixed order; a CPU always does.

    An operation without such a kernel raises RuntimeError: run it inside `in_fixed_order`. With a
    warning in place of the error, torch would choose the attention kernel without a fixed order.
    Matrix products also need CUBLAS_WORKSPACE_CONFIG; importing this package sets it.
    """
    if device.type != "cuda":
        yield
        return
    was_enabled = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # It has no types.
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # New memory is always written before it is read here, so filling it first only costs time.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was_enabled, warn_only=warned_only)
        memory.fill_uninitialized_memory = filled


def in_fixed_order(work: Callable[[], Value], on_note: Callable[[str], None]) -> Value:
    """The result of the work. An operation without a fixed order is named, and then allowed.

    The work is then done a second time, so it must change nothing before that operation.
    """
    try:
        return work()
    except RuntimeError as error:
        reason = _why_no_fixed_order(str(error))
        if not reason or torch.is_deterministic_algorithms_warn_only_enabled():
            raise
    on_note(f"{reason}: the last bits of two equal trainings may differ")
    torch.use_deterministic_algorithms(True, warn_only=True)
    return work()


def _why_no_fixed_order(message: str) -> str:
    """The cause of torch's error, or nothing for any other error."""
    if _CUBLAS_SETTING in message:
        return (
            f"{_CUBLAS_SETTING} was not :4096:8 or :16:8 at the first matrix product of this "
            "process on the GPU, so products add in no fixed order"
        )
    named = _NO_FIXED_ORDER.search(message)
    if named is None:
        return ""
    return f"{named[1]} has no kernel on this device that adds in a fixed order"
