"""The preset `tuned`: clips whose audio and vision are noise, and a run that is resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.planted import planted_clips

from semanticmac.cache.layout import CacheLayout
from semanticmac.core import SUB_TASKS
from semanticmac.eval.eval_data import EvalData
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.config_io import tuned_settings
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")


def test_clear_text_with_noise_beside_it_is_as_good_as_the_text_head(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    families: dict[str, str],
    tmp_path: Path,
) -> None:
    layout = noisy_corpus(planted)
    settings = small | {"language": families["still"], "epochs": 6, "d_model": 16}
    config = override(TrainConfig("planted"), settings | tuned_settings())
    train(config, open_data(layout, "planted"), tmp_path / "run", CPU)

    data = EvalData.open(load_run(tmp_path / "run", CPU), layout, CPU)
    predictions = data.predict(data.rows("test"))
    errors = np.abs(predictions.outputs[..., 0] - predictions.truth).mean(axis=0)  # (5,)
    by_head = dict(zip(SUB_TASKS, errors, strict=True))
    assert by_head["multimodal"] <= by_head["text"] + 0.02
    assert by_head["multimodal"] < 0.8 * by_head["audio"]


def noisy_corpus(planted: Callable[..., CacheLayout]) -> CacheLayout:
    """Clips whose label is in the text; audio and vision are large and say nothing."""
    rng = np.random.default_rng(3)
    scale = {"hate": -2.0, "dread": -1.0, "film": 0.0, "like": 1.0, "love": 2.0}
    clips = []
    for clip in planted_clips("regression", (96, 48, 96)):
        noise = [rng.standard_normal((4, 8)) * 3 for _ in range(2)]
        level = scale[clip.text.split()[1]]
        label = [level + 0.5 * rng.standard_normal()]
        clips.append(replace(clip, audio=noise[0], vision=noise[1], label=label))
    return planted("regression", clips)


def test_a_tuned_run_that_is_resumed_ends_with_the_same_bytes(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    families: dict[str, str],
    tmp_path: Path,
) -> None:
    layout = planted()
    data = open_data(layout, "planted")
    settings = small | {"language": families["bert"], "epochs": 3}
    config = override(TrainConfig("planted"), settings | tuned_settings())
    train(config, data, tmp_path / "whole", CPU)

    def stop_after(stage: str, done: int, total: int, failed: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    stopped = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(config, data, stopped, CPU, Callbacks(stop_after), save_every_s=0.0)
    train(config, data, stopped, CPU, resume=True)
    for name in ("model.safetensors", "log.jsonl"):
        assert (stopped / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
