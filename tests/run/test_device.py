"""Choosing a device by its name."""

from __future__ import annotations

import pytest
import torch

from semanticmac.run.device import pick_device
from semanticmac.run.folder import RunError


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine with two GPUs; the devices that became the current one."""
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


def test_a_numbered_gpu_becomes_the_current_one(two_gpus: list[torch.device]) -> None:
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert two_gpus == [torch.device("cuda:1")]


def test_a_gpu_without_a_number_stays_the_current_one(two_gpus: list[torch.device]) -> None:
    """torchrun has chosen it."""
    assert pick_device("cuda") == pick_device("auto") == torch.device("cuda")
    assert two_gpus == []


def test_a_gpu_that_is_not_there_is_refused(two_gpus: list[torch.device]) -> None:
    with pytest.raises(RunError, match="this machine has 2 GPUs, counted from cuda:0"):
        pick_device("cuda:2")
    assert two_gpus == []
