"""The presets of the corpora and the paper's form give the numbers that they have always given.

`PYTHONPATH=tests python tests/train/test_paper.py` writes tests/data/paper.json anew. Do that only
if a change of the paper's form is intended.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.planted import TASKS, WORDS, planted_clips, write_corpus
from torch import Tensor, nn

from semanticmac.cache.dataset import make_dataloader
from semanticmac.core import Kind
from semanticmac.model.network import SemanticMAC
from semanticmac.train.batches import TrainBatch
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, open_data, resolve
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import preset
from semanticmac.train.trainer import Trainer
from semanticmac.train.validation import Score

GOLDEN = Path(__file__).parents[1] / "data" / "paper.json"
CORPORA = (
    "mosi", "mosei", "sims", "simsv2", "mosei-emotion", "iemocap", "meld", "urfunny", "mustard",
)  # fmt: skip
KINDS: tuple[Kind, ...] = ("regression", "single-label", "multi-label", "binary")
# Dropout would take numbers from torch, and those may differ between its builds.
SMALL: dict[str, Any] = {
    "d_model": 8, "heads": 2, "feed_forward": 2, "perceiver_tokens": 2, "dropout": 0.0,
    "batch_size": 8, "neighbours": 3, "lr_rest": 1e-3,
}  # fmt: skip
# Settings that are younger than the golden file; these values change nothing.
ADDED_SETTINGS = {
    "corrupt": "none",
    "corrupt_rate": 0.9,
    "corrupt_words": "absent",
    "fold": "",
    "output_units": [],
    "frame_scaling": "none",
}
EPOCHS = 3  # pseudo labels differ from the truth in the second and third
BATCHES = [list(range(start, start + 8)) for start in (0, 8, 16)]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(GOLDEN.read_text())
    return content


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_preset_of_a_corpus_is_unchanged(corpus: str, golden: dict[str, Any]) -> None:
    assert settings(corpus) == golden["settings"][corpus] | ADDED_SETTINGS


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_predictions_are_unchanged(
    kind: Kind, golden: dict[str, Any], tmp_path: Path
) -> None:
    measured, expected = numbers(kind, tmp_path), golden["numbers"][kind]
    assert measured["names"] == expected["names"]
    for name in ("steps", "predictions"):
        np.testing.assert_allclose(
            measured[name], expected[name], rtol=2e-4, atol=2e-6, err_msg=f"{kind}: {name}"
        )


def settings(corpus: str) -> dict[str, Any]:
    """All settings of a preset, as JSON holds them."""
    plain: dict[str, Any] = json.loads(json.dumps(preset(corpus).flat()))
    return plain


def numbers(kind: Kind, folder: Path) -> dict[str, Any]:
    """Terms of the loss and norm of the gradient of each step, then predictions of valid."""
    data = open_data(write_corpus(folder, TASKS[kind], planted_clips(kind)), "planted")
    config = resolve(override(TrainConfig("planted"), SMALL), data)
    model = SemanticMAC(config.model, TableOfWords())
    fill(model)
    truth = data.train.labels(data.task.width)
    trainer = Trainer(config, TASKS[kind], model, truth, len(BATCHES), SINGLE_PROCESS)
    steps = []
    for _ in range(EPOCHS):
        for batch in batches(data):
            taken = trainer.step([batch])
            steps.append(taken.values.tolist())
        trainer.finish_epoch(Score("none", 0.0, False))
    model.eval()
    [batch] = make_dataloader(data.valid, len(data.valid), word_numbers, data.task.width)
    with torch.no_grad():
        predictions = model(batch).predictions
    return {"names": list(taken.names), "steps": steps, "predictions": predictions.tolist()}


def batches(data: TrainData) -> list[TrainBatch]:
    loader = make_dataloader(data.train, 1, word_numbers, data.task.width, batches=BATCHES)
    rows = data.train.rows
    made = []
    for numbers, local in zip(BATCHES, loader, strict=True):
        made.append(TrainBatch(numbers, [rows[number].clip_id for number in numbers], local))
    return made


def fill(model: nn.Module) -> None:
    """Weights that depend on their names alone, and on no version of torch."""
    for name, weight in model.named_parameters():
        owner = model.get_submodule(name.rpartition(".")[0])
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        drawn = rng.uniform(-0.3, 0.3, tuple(weight.shape))
        if isinstance(owner, nn.LayerNorm) and name.endswith("weight"):
            drawn += 1
        weight.data.copy_(torch.from_numpy(drawn))


class TableOfWords(nn.Module):
    """A language model of one table."""

    def __init__(self) -> None:
        super().__init__()
        self.width = 16
        self.table = nn.Embedding(len(WORDS), self.width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden: Tensor = self.table(ids) * mask[..., None]
        return hidden


@dataclass(frozen=True)
class Words:
    """The numbers of the words of each text."""

    ids: Tensor
    mask: Tensor
    types: None = None


def word_numbers(texts: Sequence[str], contexts: Sequence[str] | None = None) -> Words:
    """A `Tokenize`. All texts of the corpus have four words."""
    rows = []
    for text in texts:
        rows.append([WORDS.index(word) for word in text.split()])
    ids = torch.tensor(rows)
    return Words(ids, torch.ones_like(ids).bool())


def main() -> None:
    content: dict[str, Any] = {"settings": {}, "numbers": {}}
    for corpus in CORPORA:
        content["settings"][corpus] = settings(corpus)
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            content["numbers"][kind] = numbers(kind, Path(folder))
    GOLDEN.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
