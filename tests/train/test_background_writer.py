"""The writer in the background: what it writes is what the tensors were."""

from __future__ import annotations

import threading

import pytest
import torch

from semanticmac.train.background_writer import BackgroundWriter


def test_a_later_change_of_the_tensors_is_not_written() -> None:
    writer, go_on = BackgroundWriter(), threading.Event()
    written: list[torch.Tensor] = []

    def write(tensors: dict[str, torch.Tensor]) -> None:
        go_on.wait(10)
        written.append(tensors["weight"])

    weight = torch.nn.Parameter(torch.ones(2, 3).t())
    writer.submit({"weight": weight}, write)
    with torch.no_grad():
        weight.fill_(2.0)
    assert not written  # The caller did not wait for the write.
    go_on.set()
    writer.close()
    assert written[0].equal(torch.ones(3, 2)) and written[0].is_contiguous()
    assert not written[0].requires_grad


def test_an_error_of_a_write_is_raised_by_the_next_one() -> None:
    writer = BackgroundWriter()

    def fail(tensors: dict[str, torch.Tensor]) -> None:
        raise OSError("no space left on device")

    writer.submit({}, fail)
    with pytest.raises(OSError, match="no space left"):
        writer.submit({}, lambda tensors: None)
    writer.close()


def test_close_raises_the_error_of_the_last_write() -> None:
    writer = BackgroundWriter()

    def fail(tensors: dict[str, torch.Tensor]) -> None:
        raise OSError("no space left on device")

    writer.submit({}, fail)
    with pytest.raises(OSError, match="no space left"):
        writer.close()
