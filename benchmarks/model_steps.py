"""Time of a training step of every model over a bare step of its language model.

    python -m benchmarks.model_steps [--models mult,misa] [--rounds 3] [--clips 32]

The language model is BERT-base with random weights; a clip has 50 tokens and 16 frames of 1,024
numbers, as in the MOSI preset. The bare step has a linear head on the first token. Each model has
its default settings and all its losses. Its steps and the bare steps take turns.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from transformers import BertConfig, BertModel

from benchmarks.common import arguments, cores, interleaved, report
from benchmarks.train_step import CLIPS, random_batch
from semanticmac.cache.batch import Batch
from semanticmac.core import Task
from semanticmac.model.build import build_network
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.registry import BUILT_IN, SEMANTICMAC
from semanticmac.train.batches import TrainBatch
from semanticmac.train.config import preset
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.optim import make_optimizer, parameter_groups
from semanticmac.train.trainer import Trainer


def bert_base() -> LanguageModel:
    """The shape of BERT-base; nothing is asked of the model hub."""
    torch.manual_seed(0)
    return LanguageModel(BertModel(BertConfig()))


class Bare:
    """The language model with a linear head on its first token and its own optimizer."""

    def __init__(self, batch: Batch) -> None:
        config = preset("mosi")
        self.batch, self.language = batch, bert_base().train()
        self.head = nn.Linear(self.language.width, 1)
        both = nn.ModuleList([self.language, self.head])
        rates = (config.lr_language, config.lr_rest, config.weight_decay)
        self.optimizer = make_optimizer(parameter_groups(both, self.language, *rates))

    def step(self) -> None:
        first = self.language(self.batch.token_ids, self.batch.token_mask)[:, 0]
        loss = (self.head(first) - self.batch.labels).abs().mean()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()


def ratio(name: str, batch: Batch, bare: Bare, rounds: int) -> tuple[float, float]:
    """Wall and CPU time of the model's step over those of the bare step."""
    config = replace(preset("mosi", model=name), precision="float32", batch_size=len(batch))
    network = build_network(config.model, bert_base()).train()
    truth = torch.randn(CLIPS, 1)
    trainer = Trainer(
        config, Task("regression"), network, truth, CLIPS // len(batch), SINGLE_PROCESS
    )
    rows = list(range(len(batch)))

    def whole() -> None:
        trainer.step([TrainBatch(rows, batch.clip_ids, batch)])

    theirs, ours = interleaved(rounds, bare.step, whole)
    return ours.wall_s / theirs.wall_s, ours.cpu_s / theirs.cpu_s


def main() -> None:
    options = arguments(__doc__, models="", rounds=3, clips=32, threads=cores())
    torch.set_num_threads(options.threads)
    batch = random_batch(options.clips)
    bare = Bare(batch)
    # These two read no text, or no more than the bare step does.
    names = [name for name in BUILT_IN if name not in ("audio", "vision")] + [SEMANTICMAC]
    if options.models:
        names = options.models.split(",")
    by_wall, by_cpu = {}, {}
    for name in names:
        wall, cpu = ratio(name, batch, bare, options.rounds)
        by_wall[name], by_cpu[name] = round(wall, 3), round(cpu, 3)
        print(f"{name}: {wall:.3f} by wall, {cpu:.3f} by CPU", flush=True)
    report(
        "no model's step costs much more than that of its language model alone",
        "step_over_bare at most 1.3",
        threads=options.threads,
        clips=options.clips,
        step_over_bare=by_wall,
        step_over_bare_by_cpu=by_cpu,
        slowest=max(by_wall, key=lambda name: by_wall[name]),
    )


if __name__ == "__main__":
    main()
