"""The features that the SVM reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.planted import CPU, TASKS, planted_clips, save_family, write_corpus

from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data, resolve
from semanticmac.train.experiments.leaderboard.svm import Pooler
from semanticmac.train.overrides import override


@pytest.mark.parametrize("setting", [{"pooling": "first"}, {"prompt": "we like {text}"}])
def test_the_text_is_read_as_the_settings_ask(tmp_path: Path, setting: dict[str, str]) -> None:
    torch.manual_seed(0)
    save_family("still", tmp_path / "bert")
    layout = write_corpus(tmp_path / "cache", TASKS["regression"], planted_clips("regression"))
    data = open_data(layout, "planted")
    config = override(TrainConfig("planted"), {"language": str(tmp_path / "bert")})
    config = resolve(config, data)

    def text_features(settings: dict[str, str]) -> np.ndarray:
        pooler = Pooler(override(config, settings).model, CPU)
        return pooler(data.valid, data.task.width).features[:, :16]

    assert np.array_equal(text_features({}), text_features({"pooling": "mean"}))
    assert not np.allclose(text_features({}), text_features(setting))
