"""The device of an encoder, without a GPU: what torch is asked for, and what it is set to."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import pytest
import torch

from semanticmac.preprocess.encoders.device import exact_float32, pick_device, to_device

CUDA = torch.device("cuda")


def convolutions_may_round() -> bool:
    return torch.backends.cudnn.allow_tf32


def test_convolutions_are_float32_inside_and_as_before_outside() -> None:
    assert convolutions_may_round()  # torch's default
    with exact_float32(CUDA):
        assert not convolutions_may_round() and not torch.backends.cuda.matmul.allow_tf32
    assert convolutions_may_round()
    with exact_float32(torch.device("cpu")):
        assert convolutions_may_round()


def test_the_last_thread_that_leaves_restores_the_settings() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with exact_float32(CUDA):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with exact_float32(CUDA):
        thread.start()
        inside.wait(30)
    assert not convolutions_may_round()
    leave.set()
    thread.join()
    assert convolutions_may_round()


def test_the_newer_setting_of_torch_is_respected() -> None:
    convolutions = getattr(torch.backends.cudnn, "conv", None)
    if convolutions is None:
        pytest.skip("this torch has only the older setting")
    try:
        convolutions.fp32_precision = "ieee"
        torch.backends.cudnn.rnn.fp32_precision = "tf32"
        with exact_float32(CUDA):
            assert convolutions.fp32_precision == "ieee"
        assert convolutions.fp32_precision == "ieee"
    finally:
        torch.backends.cudnn.allow_tf32 = True
    assert convolutions_may_round()


@pytest.mark.parametrize("backend", ["generic", "cuda"])
def test_tf32_of_a_whole_backend_does_not_reach_an_encoder(backend: str) -> None:
    """A convolution without a setting of its own follows that of its backend."""
    if not hasattr(torch.backends.cudnn, "conv"):
        pytest.skip("this torch has only the older setting")
    convolutions, products = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    owner = torch.backends if backend == "generic" else torch.backends.cudnn
    try:
        owner.fp32_precision = "tf32"
        before = (convolutions.fp32_precision, products.fp32_precision)
        assert before[0] == "tf32"
        with exact_float32(CUDA):
            assert convolutions.fp32_precision in ("ieee", "none")
            assert products.fp32_precision in ("ieee", "none")
        assert (convolutions.fp32_precision, products.fp32_precision) == before
    finally:
        owner.fp32_precision = "none"
        products.fp32_precision = "none"
        torch.backends.cudnn.allow_tf32 = True
    assert convolutions_may_round()


def test_a_numbered_gpu_becomes_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert pick_device("cuda") == CUDA and pick_device("cpu") == torch.device("cpu")
    assert current == [torch.device("cuda:1")]


def test_rows_reach_a_gpu_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[object] = []

    def pin(rows: torch.Tensor) -> torch.Tensor:
        assert rows.is_contiguous()
        steps.append("pinned")
        return rows

    def copy(rows: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        steps.append((device.type, non_blocking))
        return rows

    def current(device: torch.device) -> nullcontext[None]:
        steps.append(device)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "device", current)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", copy)
    gpu = torch.device("cuda:1")
    to_device(torch.zeros(4, 3).t(), gpu)
    assert steps == [gpu, "pinned", ("cuda", True)]
