"""The published fusions in the training loop: half precision, missing modalities, resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.fusions import SMALL

from semanticmac.cache.layout import CacheLayout
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig, with_name
from semanticmac.train.data import TrainData, open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(planted: Callable[..., CacheLayout]) -> TrainData:
    return open_data(planted("single-label"), "planted")


def make_config(name: str, language: str, **changes: object) -> TrainConfig:
    settings: dict[str, Any] = {"language": language, "batch_size": 5, "lr_rest": 0.003}
    return override(with_name("planted", name), settings | SMALL[name] | changes)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_trains_in_half_precision_on_clips_that_lack_modalities(name, data, families, tmp_path):
    """Behind a frozen language model, whose gradient MAG's gate needs all the same."""
    changes = {"precision": "bfloat16", "modality_dropout": 0.3, "freeze_language": True}
    config = make_config(name, families["bert"], epochs=1, **changes)
    info = train(config, data, tmp_path / "run", CPU)
    assert 0 <= info.valid_score <= 1
    assert load_run(tmp_path / "run", CPU).info.model.name == name


class Stopped(Exception):
    """Ends a training as if the process was killed between two steps."""


@pytest.mark.parametrize(("name", "scaling"), [("mmim", "none"), ("self-mm", "standard")])
def test_resumes_in_the_middle_of_an_epoch_with_the_same_bytes(
    name, scaling, data, families, tmp_path
):
    """MMIM remembers the batch before; Self-MM its labels and banks."""
    config = make_config(name, families["bert"], epochs=3, frame_scaling=scaling)

    def stop(stage: str, done: int, total: int, failed: int) -> None:
        if done == 8:
            raise Stopped

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(config, data, whole, CPU, save_every_s=0)
    with pytest.raises(Stopped):
        train(config, data, stopped, CPU, Callbacks(progress=stop), save_every_s=0)
    train(config, data, stopped, CPU, save_every_s=0, resume=True)
    for file in ("model.safetensors", "log.jsonl"):
        assert (whole / file).read_bytes() == (stopped / file).read_bytes(), file
