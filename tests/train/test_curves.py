"""Event files say what log.jsonl says, and a run that goes on draws each step once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.curves import FOLDER, Curves, CurvesError
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")


def test_curves_are_the_log_also_after_a_stop(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = override(TrainConfig("planted"), small | {"modalities": "audio", "epochs": 3})
    data = open_data(planted(), "planted")

    def stop(stage: str, done: int, total: int, failed: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with Curves(tmp_path) as curves, pytest.raises(KeyboardInterrupt):
        callbacks = Callbacks(stop, on_epoch=curves.epoch, on_step=curves.step)
        train(config, data, tmp_path, CPU, callbacks)
    with Curves(tmp_path) as curves:
        callbacks = Callbacks(on_epoch=curves.epoch, on_step=curves.step)
        train(config, data, tmp_path, CPU, callbacks, resume=True)
    events = accumulator.EventAccumulator(str(tmp_path / FOLDER))
    events.Reload()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "step" in line]
    drawn = events.Scalars("train/loss")
    assert [event.step for event in drawn] == [line["step"] for line in steps] == list(range(1, 10))
    assert [event.value for event in drawn] == pytest.approx([line["loss"] for line in steps])
    valid = events.Scalars("validation_L1_loss")
    assert [event.value for event in valid] == pytest.approx(
        [line["valid"] for line in lines if "step" not in line]
    )


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(CurvesError, match=r"semanticmac\[tensorboard\]"):
        Curves(tmp_path)
