"""Ctrl-C waits for the step, and what was learned is kept; a second one does not wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.train import checkpoint
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.interrupts import deferred_sigint
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")


@pytest.mark.parametrize("stop_at", [2, 3, 7])  # in an epoch, at its end, in the last one
def test_what_was_learned_before_ctrl_c_is_kept(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path, stop_at: int
) -> None:
    config = override(TrainConfig("planted"), small | {"modalities": "audio", "epochs": 3})
    data = open_data(planted(), "planted")
    done: list[int] = []

    def ctrl_c(stage: str, step: int, total: int, failed: int) -> None:
        done.append(step)
        if step == stop_at and len(done) == stop_at:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "run", CPU, Callbacks(progress=ctrl_c))
    found = checkpoint.load(tmp_path / "run")
    assert found is not None and int(found.tensors["step"]) == stop_at
    train(config, data, tmp_path / "run", CPU, Callbacks(progress=ctrl_c), resume=True)
    assert done == list(range(1, 10))  # no step twice
    train(config, data, tmp_path / "whole", CPU)
    for name in ("model.safetensors", "log.jsonl", "run.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_second_ctrl_c_does_not_wait() -> None:
    with deferred_sigint() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_stays_and_so_does_a_thread() -> None:
    mine = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGINT, mine)
    try:
        with deferred_sigint():
            assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
    asked: list[bool] = []

    def elsewhere() -> None:
        with deferred_sigint() as stopped:
            asked.append(stopped())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert asked == [False]
