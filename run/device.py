"""Chooses the device by its name. Imports no library but torch, so it loads quickly."""

from __future__ import annotations

import torch

from semanticmac.run.folder import RunError


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is the GPU where there is one, else the CPU.

    Raises RunError for a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RunError(f"device {name!r}: expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RunError(f"device {name!r}: torch sees no GPU here; use --device cpu or auto")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise RunError(f"device {name!r}: this machine has {count} GPUs, counted from cuda:0")
    return device
