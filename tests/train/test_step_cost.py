"""The measured step: it changes nothing, and its sentence holds what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from semanticmac.cache.layout import CacheLayout
from semanticmac.model.build import build_network
from semanticmac.train.batches import BatchReader
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data, resolve
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.language import open_language
from semanticmac.train.overrides import override
from semanticmac.train.step_cost import FILE, StepCost, measure_step
from semanticmac.train.trainer import Trainer


def test_measuring_leaves_the_trainer_as_it_was(
    planted: Callable[..., CacheLayout],
    families: dict[str, str],
    small: dict[str, Any],
    tmp_path: Path,
) -> None:
    data = open_data(planted(), "planted")
    settings = small | {"language": families["bert"], "batch_size": 4, "accumulate": 2}
    config = resolve(override(TrainConfig("planted"), settings), data)
    language = open_language(config.model, tmp_path, resumed=False)
    reader = BatchReader(config, data, language.tokenize, SINGLE_PROCESS, torch.device("cpu"))
    model = build_network(config.model, language.model)
    truth = data.train.labels(data.task.width)
    trainer = Trainer(config, data.task, model, truth, 3, SINGLE_PROCESS)
    before = {name: tensor.clone() for name, tensor in trainer.state_dict().items()}
    rates = [group["lr"] for group in trainer.optimizer.param_groups]

    notes: list[str] = []
    cost = measure_step(trainer, reader, notes.append)

    after = trainer.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(tensor, after[name], rtol=0, atol=0, equal_nan=True)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == rates
    assert all(weight.grad is None for weight in trainer.trainable)

    longest = max(len(row.text.split()) for row in data.train.rows)
    assert cost.clips == 4 and cost.tokens == longest + 2  # <cls> and <sep>
    assert not notes
    assert cost.seconds > 0 and cost.peak_bytes > 10 * 2**20
    assert 0 < cost.trained_weights < cost.all_weights  # The pooler of BERT is not trained.


def test_the_sentence_and_the_file(tmp_path: Path) -> None:
    cost = StepCost(2.0, 3 * 2**30, "cuda", 8, 128, 1_500_000, 8_000_000_000)
    assert cost.note(1800) == (
        "one step of 8 clips with up to 128 tokens: 2 s, 3 GiB of memory at its peak (cuda); "
        "1800 steps take about 60 min; 1.50 of 8,000.00 million weights are trained"
    )
    cost.write(tmp_path)
    assert json.loads((tmp_path / FILE).read_text())["peak_bytes"] == 3 * 2**30
